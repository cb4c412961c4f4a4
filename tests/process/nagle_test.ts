/** Nagle's algorithm, by which the system keeps small writes back, is off on each connection of a server. */
import { TestCa } from "../../bench/test_ca.ts";
import { ask } from "../../client/mod.ts";
import { clusterTest, type Server } from "./harness.ts";
import { needsTls } from "./needs_tls.ts";
import { eventually } from "./patience.ts";
import { needsProgram, unmet } from "./requirements.ts";

const FILES = { cert: "server-{id}.pem", key: "server-{id}.key", ca: "ca.pem" };
const KINDS = [["plain", undefined], ["tls", FILES]] as const;

/** Which sockets a server turns it off for, from when it is looked at. */
class Sockets {
  readonly #calls: string;
  readonly #strace: Deno.ChildProcess;

  constructor(server: Server, directory: string) {
    this.#calls = `${directory}/calls`;
    Deno.writeTextFileSync(this.#calls, "");
    this.#strace = new Deno.Command("strace", {
      args: ["-f", "-qq", "-o", this.#calls, "-e", "trace=setsockopt", "-p"]
        .concat(`${server.process.pid}`),
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  get count(): number {
    const text = Deno.readTextFileSync(this.#calls);
    return [...text.matchAll(/setsockopt\((\d+), SOL_TCP, TCP_NODELAY, \[1\], 4\) += 0/g)].length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#strace.kill("SIGTERM");
    await this.#strace.status;
  }
}

for (const [kind, tls] of KINDS) {
  clusterTest(
    `Nagle's algorithm is off on connections of clients and of servers, both ways: ${kind}`,
    {
      ...(tls !== undefined && { tls }),
      notRun: unmet(
        needsProgram("strace", "-f", "-o", "/dev/null", "true"),
        ...(tls === undefined ? [] : [needsTls(), needsProgram("openssl", "version")]),
      ),
    },
    async (cluster) => {
      const ca = tls === undefined ? null : new TestCa(cluster.directory);
      for (const { id } of cluster.servers) {
        ca?.issue(`server-${id}`, { dns: ["localhost", `raftkv-server-${id}`] });
      }
      const [first, second, third] = cluster.servers;
      const to = { ...(ca !== null && { tls: { ca: Deno.readTextFileSync(ca.ca) } }) };
      const said = ({ clientPort }: Server) =>
        ask(`127.0.0.1:${clientPort}`, ["PING"], to).catch(() => null);
      first!.start();
      second!.start();
      await eventually("a server to answer", async () => await said(first!) !== null);
      await using sockets = new Sockets(first!, cluster.directory);
      // A client of it, one after the other, until the first call is seen.
      await eventually("a client's connection", async () => {
        await said(first!);
        return sockets.count > 0;
      });
      // One from the third server, and one to it.
      const before = sockets.count;
      third!.start();
      await eventually("the third server's connections", () => sockets.count >= before + 2, 30_000);
    },
  );
}
