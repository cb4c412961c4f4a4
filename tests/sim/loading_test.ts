/** A server whose first snapshot is on its way has nothing to read, says so, and is not listed. */
import { assert, assertMatch } from "@std/assert";
import { DEFAULT_STORAGE_LIMITS } from "../../lib/node/limits.ts";
import { fromBytes } from "../process/socket.ts";
import { requestBytes } from "../wire/resp_driver.ts";
import { leaderOf, othersThan, runFor, scenario } from "./scenarios.ts";
import type { SimServer } from "./sim_server.ts";
import type { Simulation } from "./simulation.ts";

/** What a new READONLY connection is answered, after READONLY's own answer. */
function readonly(simulation: Simulation, server: SimServer, ...args: string[]): string {
  const session = server.node!.openSession("reader")!;
  const bytes = requestBytes([["READONLY"], args]);
  session.inputSpace().set(bytes);
  session.received(bytes.length);
  for (let batch = session.nextBatch(); batch !== null; batch = session.nextBatch()) {
    session.submit(batch);
  }
  runFor(simulation, 1);
  const output = session.takeOutput();
  const text = output === null ? "" : fromBytes(output);
  session.outputWritten();
  session.disconnected();
  return text.replace(/^\+OK\r\n/, "");
}

Deno.test("loading: a server without contents refuses READONLY reads until its snapshot is there", () => {
  const storage = {
    ...DEFAULT_STORAGE_LIMITS,
    segmentBytesMax: 50_000,
    reserveBytes: 65_536,
    snapshotLogBytesMin: 60_000,
    logMemoryBytes: 500,
    snapshotChunkBytes: 64,
  };
  scenario((simulation) => {
    const leader = leaderOf(simulation);
    const late = othersThan(simulation, leader)[0]!;
    const { lastIndex } = late.probe!.raft()!.log;
    late.crash("it misses what follows");
    simulation.demand("a log that is cut short, in memory and in files", 600, () => {
      const probe = leaderOf(simulation).probe!;
      return probe.raft()!.log.firstIndex > lastIndex + 1 && !probe.reaches(lastIndex);
    });
    late.start();
    const isOnItsWay = () => {
      const { role } = leaderOf(simulation).probe!.raft()!;
      return role.kind === "leader" && role.progress.get(late.id)?.mode === "snapshot";
    };
    for (let ms = 0; !isOnItsWay(); ms++) {
      assert(ms < 10_000, "No snapshot is on its way");
      runFor(simulation, 1);
    }
    assert(late.probe!.appliedIndex() === 0, "It has a snapshot of its own");
    // The snapshot's next pieces are lost for now, so that it stays on its way while it is asked.
    simulation.fabric.cut(leaderOf(simulation).id, late.id);
    assertMatch(readonly(simulation, late, "GET", "key0"), /^-LOADING [^\r\n]+\r\n$/);
    assertMatch(readonly(simulation, late, "INFO", "persistence"), /\r\nloading:1\r\n/);
    const listed = readonly(simulation, leaderOf(simulation), "CLUSTER", "SLOTS");
    assert(!listed.includes(`:${late.address.clientPort}\r\n`), listed);
    simulation.fabric.mendAll();
    simulation.demand("its contents", 60, () => late.probe!.appliedIndex() > lastIndex);
    assertMatch(readonly(simulation, late, "GET", "key0"), /^\$/);
    assertMatch(readonly(simulation, late, "INFO", "persistence"), /\r\nloading:0\r\n/);
  }, { storage });
});
