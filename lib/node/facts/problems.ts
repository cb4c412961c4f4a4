/** What an operator should look at on this server, a sentence each, from what it knows for sure. */
import { shortHalf } from "../../raft/quorum.ts";
import { isLoading } from "../replica.ts";
import { peerViews } from "../peers/peer_views.ts";
import type { NodeState } from "../state.ts";
import type { ProblemFacts, ProblemKind, ServerFacts } from "../../wire/status.ts";

/** An election takes less, as a rule: a shorter time without a leader is none to speak of. */
const NO_LEADER_ELECTION_TIMEOUTS = 3;
const CLOCK_DIFFERENCE_MS_MAX = 1_000;
/** With fewer free descriptors connections are refused. */
const FREE_DESCRIPTORS_MIN = 24;

/** What the sentences are made of. */
type BareFacts = Pick<
  ServerFacts,
  "leaderMissingMs" | "isDiskShort" | "refusesSets" | "clockAheadMs" | "freeDescriptors"
>;

export function problemsOf(state: NodeState, facts: BareFacts): ProblemFacts[] {
  return [
    ...ofCluster(state, facts),
    ...ofLog(state),
    ...ofDisk(state, facts),
    ...ofMachine(facts),
    ...ofBackups(state),
    ...ofLogPort(state),
    ...ofPeers(state),
  ];
}

function* ofCluster(state: NodeState, facts: BareFacts): Generator<ProblemFacts> {
  const { links, options: { config: { timing } } } = state;
  if (state.replica === null) {
    const missing = links.formation.waitingFor().join(", ");
    yield problem("unformed", `The cluster is not formed: waiting for server ${missing} once`);
    return;
  }
  if (state.removal.isSure) {
    yield problem(
      "removed",
      "It was removed from its cluster, and serves nothing any more: stop it",
    );
    return;
  }
  const noLeaderMs = NO_LEADER_ELECTION_TIMEOUTS * timing.electionTimeoutMs;
  if (facts.leaderMissingMs < noLeaderMs) return;
  const sinceMs = facts.leaderMissingMs;
  yield problem("noLeader", `No leader has been known for ${sinceMs} ms: nothing can be written`);
  const { configurations, id } = state.replica.raft.state;
  const heard = peerViews(links, undefined).filter(({ reach }) => reach === "heard");
  const isHeard = new Set([id, ...heard.map((peer) => peer.id)]);
  const short = shortHalf(configurations.current, (voter) => isHeard.has(voter));
  if (short === null) return;
  const text = `${short.count} of ${short.of} servers, this one included, are heard here: ` +
    `a leader needs ${short.needed}`;
  yield problem("noMajority", text);
}

function* ofLog({ replica }: NodeState): Generator<ProblemFacts> {
  if (replica === null) return;
  if (replica.raft.repairing) {
    yield problem("repairing", "Its log was damaged and is being fetched again from the others");
  } else if (isLoading(replica)) {
    yield problem("loading", "Nothing is here yet that could be read: it is being caught up");
  }
  if (replica.raft.state.suspect) {
    const text = "It may have forgotten what it acknowledged (the end of its log was torn, or it " +
      "was made by restore): its vote counts only with all others' until it has caught up";
    yield problem("suspect", text);
  }
}

function* ofDisk(state: NodeState, facts: BareFacts): Generator<ProblemFacts> {
  const { meters, options: { config: { timing: { slowSyncMs } } } } = state;
  if (facts.isDiskShort) {
    yield problem("diskFull", "Its disk is full, or has no room for the next snapshot");
  }
  if (facts.refusesSets) {
    const text = "Sets are refused here, for want of room or by the quota on keys and values; " +
      "deletes and reads continue";
    yield problem("setsRefused", text);
  }
  const p99Ms = meters.fsync.recentPercentileMs(0.99);
  if (p99Ms === null || p99Ms <= slowSyncMs) return;
  const text = `Its disk is slow: one sync in a hundred took ${
    Math.round(p99Ms)
  } ms or more lately`;
  yield problem("slowDisk", text);
}

function* ofMachine({ clockAheadMs, freeDescriptors }: BareFacts): Generator<ProblemFacts> {
  if (Math.abs(clockAheadMs) > CLOCK_DIFFERENCE_MS_MAX) {
    const [behindMs, where] = clockAheadMs > 0
      ? [clockAheadMs, "behind"]
      : [-clockAheadMs, "ahead of"];
    yield problem("clock", `Its wall clock is ${behindMs} ms ${where} the log's time`);
  }
  if (freeDescriptors !== null && freeDescriptors < FREE_DESCRIPTORS_MIN) {
    const text = `Only ${freeDescriptors} more files and connections can be opened: connections ` +
      "are refused; raise the limit on open files (LimitNOFILE, ulimit -n)";
    yield problem("descriptors", text);
  }
}

function* ofBackups({ meters: { backups: { failure } } }: NodeState): Generator<ProblemFacts> {
  if (failure === null) return;
  yield problem("backupFailed", `The last scheduled backup failed: ${failure}`);
}

/** Meant to last while the servers get one after the other what they prove themselves by. */
function* ofLogPort({ options: { secret, host } }: NodeState): Generator<ProblemFacts> {
  if (secret?.isOptional === true) {
    const text = "Servers that know nothing of the cluster's secret are let in: take " +
      "secretOptional out of the cluster file once all servers have the secret";
    yield problem("secretOptional", text);
  }
  const { plainLinks } = host.machine?.() ?? {};
  if (plainLinks === undefined) return;
  const now = plainLinks === 0 ? "none is plain now" : `${plainLinks} are plain now`;
  const text = `Connections between servers need no TLS (${now}): take tls.log.optional out of ` +
    "the cluster file once all servers have it";
  yield problem("tlsOptional", text);
}

function* ofPeers({ links }: NodeState): Generator<ProblemFacts> {
  for (const { id, reach, silentMs } of peerViews(links, undefined)) {
    if (reach === "heard") continue;
    const since = silentMs === null ? "since this one started" : `for ${Math.floor(silentMs)} ms`;
    const text = `Server ${id} (${links.logAddressOf(id)}) has not been heard ${since}`;
    yield problem(reach === "lost" ? "peerLost" : "peerSilent", text);
  }
}

function problem(kind: ProblemKind, text: string): ProblemFacts {
  return { kind, text };
}
