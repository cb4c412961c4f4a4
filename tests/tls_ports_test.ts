import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { TestCa } from "../bench/test_ca.ts";
import { parseConfig } from "../lib/config.ts";
import { TcpTransport } from "../lib/host/tcp.ts";
import { stampOf } from "../lib/host/tls/credentials.ts";
import { versionFault } from "../lib/host/tls/runtime.ts";
import { TlsPorts } from "../lib/tls_ports.ts";
import { FakeClock, logInto } from "./net/fakes.ts";
import { eventually } from "./process/patience.ts";
import { needsProgram, testNamed, unmet } from "./process/requirements.ts";

const notRun = unmet(versionFault(), needsProgram("openssl", "version"));
const DAY_MS = 86_400_000;

interface Bench {
  readonly ca: TestCa;
  readonly directory: string;
  readonly lines: string[];
  readonly clock: FakeClock;
  open(tls?: object): Promise<TlsPorts>;
}

function portsTest(name: string, run: (bench: Bench) => Promise<void>): void {
  Deno.test({
    ...testNamed(`tls ports: ${name}`, notRun),
    fn: async () => {
      const directory = Deno.makeTempDirSync({ prefix: "raftkv-tls-" });
      const ca = new TestCa(directory);
      const lines: string[] = [];
      const clock = new FakeClock();
      clock.wallMs = () => Date.now() + clock.monotonicMs();
      const file = (one: string) => `${directory}/${one}`;
      const files = { cert: file("one-{id}.pem"), key: file("one-{id}.key"), ca: ca.ca };
      const open = (tls: object = { log: files }) => {
        const servers = [{ id: 7, hostname: "127.0.0.1", clientPort: 9000, logPort: 9001 }];
        const config = parseConfig(JSON.stringify({ path: directory, servers, tls }), "c.json");
        const log = logInto(lines);
        return TlsPorts.open({ config, serverId: 7, tcp: new TcpTransport(), clock, log });
      };
      try {
        await run({ ca, directory, lines, clock, open });
      } finally {
        Deno.removeSync(directory, { recursive: true });
      }
    },
  });
}

portsTest(
  "warnings come with 30, 7 and 1 days left, once each, and again for the next one",
  async (bench) => {
    const { ca, clock, lines } = bench;
    const issue = (days: number) => ca.issue("one-7", { dns: ["raftkv-server-7"], days });
    issue(31);
    const ports = await bench.open();
    assertEquals(lines, []);
    const pass = async (days: number) => {
      clock.nowMs += days * DAY_MS;
      lines.length = 0;
      await ports.reload();
      // As each look at the files does.
      ports.lookAtTime();
      ports.lookAtTime();
      return lines.map((line) => line.split(" {")[0]);
    };
    const soon = "warning A TLS certificate expires soon";
    assertEquals(await pass(0), []);
    assertEquals(await pass(1.5), [soon]);
    assertEquals(await pass(20), []);
    assertEquals(await pass(3), [soon]);
    assertEquals(await pass(5), []);
    assertEquals(await pass(1), [soon]);
    assertEquals(await pass(1), ["error A TLS certificate has expired: others refuse it"]);
    assert(ports.certificates[0]!.expiresInMs < 0);
    issue(40);
    assertEquals(await pass(0), ["info TLS certificate exchanged", soon]);
    ports.stop();
  },
);

portsTest("what can't be used at the start is refused with its port and file", async (bench) => {
  const { ca, directory } = bench;
  await assertRejects(() => bench.open(), Error, "tls.log: ");
  const files = ca.issue("one-7");
  const other = ca.issue("other");
  await assertRejects(
    () => bench.open({ client: { ...files, key: other.key } }),
    Error,
    "tls.client: " + `${directory}/other.key is not the key of the certificate`,
  );
  // Read without a fault, and good for no handshake.
  const odd = ca.issue("odd", { key: ["ec", "ec_paramgen_curve:secp256k1"] });
  await assertRejects(
    () => bench.open({ client: odd }),
    Error,
    "odd.pem: it can't be used for TLS",
  );
  const ports = await bench.open();
  assertMatch(
    bench.lines.join("\n"),
    /lacks this server's name: others refuse it.*raftkv-server-7/,
  );
  ca.issue("one-7", { key: ["rsa", "rsa_keygen_bits:1024"], days: 40 });
  await ports.reload();
  assertMatch(bench.lines.at(-1)!, /can't be used: the one before.*key too small/);
  assert(ports.certificates[0]!.expiresInMs < 2 * DAY_MS, "the one before it is in use");
  ports.stop();
});

portsTest(
  "files that change are read again by themselves; half a change is no fault yet",
  async (bench) => {
    const { ca, directory, lines } = bench;
    const options = { dns: ["raftkv-server-7"], days: 40 };
    ca.issue("one-7", options);
    const ports = await bench.open();
    lines.length = 0;
    const kept = Deno.readTextFileSync(`${directory}/one-7.key`);
    const next = ca.issue("next", options);
    Deno.copyFileSync(next.key, `${directory}/one-7.key`);
    await eventually("it to be said", () => lines.length > 0);
    assertMatch(lines[0]!, /^error The new TLS certificate can't be used: the one before it stays/);
    Deno.copyFileSync(next.cert, `${directory}/one-7.pem`);
    await eventually("the exchange", () => lines.some((line) => /exchanged/.test(line)));
    assertEquals(lines.length, 2);
    assert(Deno.readTextFileSync(`${directory}/one-7.key`) !== kept);
    ports.stop();
  },
);

portsTest(
  "what could not be used is taken once it can, without a change of the files",
  async (bench) => {
    const { ca, clock, directory, lines } = bench;
    const options = { dns: ["raftkv-server-7"], days: 40 };
    ca.issue("one-7", options);
    const ports = await bench.open();
    const before = ports.certificates[0]!.expiresInMs;
    lines.length = 0;
    // Its clock is an hour late: what was issued just now is not valid yet.
    clock.nowMs -= DAY_MS / 24;
    ca.issue("one-7", { ...options, days: 50 });
    await eventually("it to be said", () => lines.length > 0);
    assertMatch(lines[0]!, /can't be used.*it is valid from /);
    // Further looks find the same, and are silent.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    assertEquals(lines.length, 1);
    clock.nowMs += DAY_MS / 24;
    await eventually("the exchange", () => lines.some((line) => /exchanged/.test(line)));
    assertEquals(lines.length, 2);
    assert(ports.certificates[0]!.expiresInMs > before + 5 * DAY_MS);
    // A change of permissions alone is a change: whoever is root reads all, so it is seen by the stamp.
    const files = {
      cert: `${directory}/one-7.pem`,
      key: `${directory}/one-7.key`,
      requestCert: false,
    };
    const stamp = await stampOf(files);
    Deno.chmodSync(files.key, 0o640);
    assert(await stampOf(files) !== stamp);
    ports.stop();
  },
);
