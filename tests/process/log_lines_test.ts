/** What a server says when something lasts, and how often. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { clusterTest } from "./harness.ts";
import { eventually, sleep } from "./patience.ts";
import { needsLinux } from "./requirements.ts";

const FROZEN_MS = 4_000;
/** It counts from when it wanted to be woken, which is an election timeout later at most: twice the 600 ms. */
const ASLEEP_MS = 1_200;
const ALONE_MS = 15_000;

clusterTest(
  "process: a server that stood still says for how long, and that it was stopped",
  { notRun: needsLinux() },
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const serving = leader.process.log.find(({ message }) => message === "Serving")!;
    // The files of a new directory are on the disk before it serves; a fast disk takes less than half a
    // millisecond for all of them.
    const [tookMs, diskMs] = [Number(serving.tookMs), Number(serving.diskMs)];
    assert(Number.isInteger(diskMs) && diskMs >= 0 && diskMs <= tookMs, `${diskMs} of ${tookMs}`);
    assert(tookMs > 0);
    for (const server of [cluster.others(leader)[0]!, leader]) {
      server.freeze();
      await sleep(FROZEN_MS);
      server.thaw();
      // Before it was frozen a busy machine may have held it up for less.
      const frozen = () =>
        server.process.log.filter(({ message, stoodStillMs }) =>
          message === "This server stood still" && Number(stoodStillMs) >= FROZEN_MS - ASLEEP_MS
        );
      await eventually("the server to say so", () => frozen().length > 0);
      assertEquals(frozen().map(({ level }) => level), ["warning"]);
      assertMatch(`${frozen()[0]!.reason}`, /^its process was stopped/);
      await cluster.waitForLeader();
    }
  },
);

clusterTest(
  "process: a server that lost its leader warns once, and one alone does not fill its log",
  { timing: { heartbeatIntervalMs: 40, electionTimeoutMs: 200 } },
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const [survivor, other] = cluster.others(leader);
    await eventually("the others to follow", () => {
      return survivor!.process.log.some((line) => line.leader === leader.id);
    });
    const before = survivor!.process.log.length;
    await other!.kill();
    await leader.kill();
    await sleep(ALONE_MS);
    const said = survivor!.process.log.slice(before);
    // A busy machine may have had another leader before both were dead: each is lost once.
    const losses = said.filter(({ lostLeader }) => lostLeader !== undefined);
    const gains = said.filter(({ leader }) => Number(leader) > 0);
    assert(losses.length >= 1 && losses.length <= 1 + gains.length, JSON.stringify(said));
    assertEquals(losses.filter(({ level }) => level !== "warning"), []);
    const campaigns = said.filter(({ message }) => /^(Now|Still) preCandidate/.test(message));
    const omitted = campaigns.reduce((sum, line) => sum + Number(line.omitted ?? 0), 0);
    assert(campaigns.length <= 15, `${campaigns.length} lines`);
    assert(omitted + campaigns.length > 20, `${omitted} of its campaigns were left out`);
    // All together: connections that fail, roles, whatever else.
    assert(said.length <= 50, `${said.length} lines in ${ALONE_MS / 1_000} s`);
  },
);
