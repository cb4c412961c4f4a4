/** What the other tests rest on: deadlines, ports, kept texts. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { freePorts } from "../../bench/free_ports.ts";
import { withCluster } from "./harness.ts";
import { journal, note, startJournal } from "./journal.ts";
import { KeptText } from "./kept_text.ts";
import { eventually, Patience, sleep, within } from "./patience.ts";
import { needsLinux, needsProgram, needsRoot, run, testNamed, unmet } from "./requirements.ts";
import { RawSocket } from "./socket.ts";

/** Nothing of this process runs for so long, as where the whole machine stands still. */
function standStill(ms: number): void {
  const startMs = performance.now();
  while (performance.now() - startMs < ms) { /* on */ }
}

Deno.test("harness: a standstill of the whole process counts as one step of a deadline", async () => {
  startJournal();
  using patience = new Patience(100, 20);
  standStill(150);
  assert(!patience.isSpent, "one step of five");
  await assertRejects(
    () => patience.race("never", new Promise(() => {})),
    Error,
    "never: not within",
  );
  assert(patience.isSpent);
  assertStringIncludes(journal(), "this process did not run for 0.");
});

Deno.test("harness: `eventually` asks again after a standstill longer than its deadline", async () => {
  let asked = 0;
  await eventually("the second time", () => {
    standStill(asked === 0 ? 1_150 : 0);
    return ++asked === 2;
  }, 1_100);
});

Deno.test("harness: waits that are in vain end in time, and the journal tells of them", async () => {
  startJournal();
  await assertRejects(
    () => eventually("a miracle", () => false, 60),
    Error,
    "a miracle: not within 60",
  );
  assertStringIncludes(journal(), "for a miracle, in vain");
  await assertRejects(
    () => within(30, "an answer", new Promise(() => {})),
    Error,
    "an answer: not",
  );
  assertEquals(await within(1_000, "an answer", sleep(20).then(() => 42)), 42);
});

Deno.test("harness: an error about a cluster can say what each server last said", async () => {
  await withCluster({}, async (cluster) => {
    const [first, second] = cluster.servers;
    first!.start();
    second!.start();
    await first!.process.logged("waiting for every server");
    await second!.kill();
    const told = cluster.describe();
    assertStringIncludes(told, "server 1 runs and last said {");
    assertStringIncludes(told, "server 2 has ended and last said");
    assertStringIncludes(told, "server 3 was never started");
  });
});

Deno.test("harness: the error of a test that failed tells what it did, where a run is quiet too", async () => {
  const failing = withCluster({ size: 1 }, async (cluster) => {
    cluster.server(1).start();
    await cluster.server(1).process.logged("Serving");
    throw new Error("two is not three");
  });
  const { message } = await assertRejects(() => failing, Error, "two is not three");
  assertStringIncludes(message, "server 1 is started");
  assertStringIncludes(message, '"message":"Serving"');
});

Deno.test("harness: the journal keeps the last lines", () => {
  startJournal();
  for (let i = 0; i < 500; i++) note(`line ${i}`);
  const lines = journal().split("\n");
  assertEquals(lines.length, 201);
  assertEquals(lines[0], "(300 lines before)");
  assertStringIncludes(lines[200]!, "line 499");
});

Deno.test("harness: a text of any length is kept up to its bound, in whole lines", () => {
  const kept = new KeptText(1_000);
  for (let i = 0; i < 100_000; i++) kept.add(`${i}\n`);
  assert(kept.text.length < 1_100);
  assertStringIncludes(kept.text, "characters before)\n");
  assertEquals(kept.wholeLines().at(-1), "99999");
  kept.add("half of a line");
  assertEquals(kept.wholeLines().at(-1), "99999");
  assertEquals(kept.tail(2, 10), "99999\nhalf of a ");
});

Deno.test("harness: free ports are no system's ports for outgoing connections, and all differ", () => {
  const listeners = freePorts(60).map((port) => Deno.listen({ hostname: "127.0.0.1", port }));
  const ports = listeners.map((listener) => (listener.addr as Deno.NetAddr).port);
  for (const listener of listeners) listener.close();
  assertEquals(new Set(ports).size, 60);
  const from = Number.parseInt(Deno.readTextFileSync("/proc/sys/net/ipv4/ip_local_port_range"), 10);
  assert(ports.every((port) => port < from), `${ports} are below ${from}`);
});

const reason = unmet(
  needsLinux(),
  needsRoot(),
  needsProgram("iptables", "-w", "-n", "-L", "INPUT"),
);

Deno.test({
  ...testNamed("harness: a connection that nobody takes or refuses has a deadline", reason),
  async fn() {
    const port = freePorts(1)[0]!;
    const rule = ["INPUT", "-i", "lo", "-p", "tcp", "--dport", `${port}`, "-j", "DROP"];
    assertEquals(run("iptables", "-w", "-I", ...rule), null);
    try {
      const what = `port ${port} to take or refuse a connection`;
      await assertRejects(() => RawSocket.connect(port, 100), Error, what);
    } finally {
      assertEquals(run("iptables", "-w", "-D", ...rule), null);
    }
  },
});
