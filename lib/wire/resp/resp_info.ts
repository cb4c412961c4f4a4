/** What a server tells of itself, and of what it knows of the others: INFO and ROLE. */
import type { ByteWriter } from "../../util/bytes.ts";
import type { PeerView, ServerPlace, ServerView } from "../codec.ts";
import { writeArray, writeInteger, writeText } from "./resp_bytes.ts";

/** The Redis whose commands and replies these are. */
export const REDIS_VERSION = "7.0.15";

/** The sections that `asked` names, in lower case between spaces; all where it names none. */
export function infoText(asked: string, view: ServerView): string {
  const wanted = new Set(asked.split(" ").filter((name) => name !== ""));
  const all = wanted.size === 0 || wanted.has("all") || wanted.has("default") ||
    wanted.has("everything");
  return infoSections(view)
    .filter(([name]) => all || wanted.has(name.toLowerCase()))
    .map(([name, lines]) => `# ${name}\r\n${lines.map((line) => `${line}\r\n`).join("")}`)
    .join("\r\n");
}

function infoSections(view: ServerView): [string, string[]][] {
  const seconds = Math.floor(view.uptimeMs / 1000);
  const keyspace = view.keys === 0
    ? []
    : [`db0:keys=${view.keys},expires=${view.expiringKeys},avg_ttl=0`];
  return [
    ["Server", [
      `redis_version:${REDIS_VERSION}`,
      `redis_mode:${view.isAlone === true ? "standalone" : "cluster"}`,
      "raftkv:1",
      `server_id:${view.serverId}`,
      `uptime_in_seconds:${seconds}`,
      `uptime_in_days:${Math.floor(seconds / 86_400)}`,
    ]],
    ["Clients", [`connected_clients:${view.connections}`]],
    ["Memory", [`content_bytes:${view.keyBytesTotal}`]],
    ["Persistence", [`loading:${view.isLoading ? 1 : 0}`, "aof_enabled:1"]],
    ["Replication", replication(view)],
    ["Cluster", [
      `cluster_enabled:${view.isAlone === true ? 0 : 1}`,
      `cluster_version:${view.clusterVersion}`,
    ]],
    ["Keyspace", keyspace],
  ];
}

function replication(view: ServerView): string[] {
  return [
    ...leads(view) ? asLeader(view) : asFollower(view),
    `master_repl_offset:${view.lastIndex}`,
    `raft_term:${view.term}`,
    `raft_commit_index:${view.commitIndex}`,
    `raft_applied_index:${view.appliedIndex}`,
    ...view.peers.map((peer) => `raft_server${peer.id}:${peerText(peer, view)}`),
  ];
}

function leads(view: ServerView): boolean {
  return view.leaderId === view.serverId;
}

function asLeader(view: ServerView): string[] {
  const followers = view.peers.filter(isReplicating);
  return [
    "role:master",
    `connected_slaves:${followers.length}`,
    ...followers.map((peer, at) => {
      const { hostname, port } = placeOf(peer.id, view);
      const state = peer.isSentSnapshot ? "send_bulk" : "online";
      const lag = Math.floor((peer.silentMs ?? 0) / 1000);
      return `slave${at}:ip=${hostname},port=${port},state=${state},` +
        `offset=${peer.matchIndex ?? 0},lag=${lag}`;
    }),
    `master_failover_state:${view.isHandingOver ? "failover-in-progress" : "no-failover"}`,
  ];
}

/** Followers that are reached: Redis does not list those whose connection is gone either. */
function isReplicating(peer: PeerView): boolean {
  return peer.isConnected && peer.reach === "heard";
}

function asFollower(view: ServerView): string[] {
  const { leader, peer } = leaderSeen(view);
  const isUp = view.hasLeader && peer !== undefined && isReplicating(peer);
  const missingMs = Math.max(view.leaderMissingMs, peer?.silentMs ?? 0);
  return [
    "role:slave",
    `master_host:${leader.hostname}`,
    `master_port:${leader.port}`,
    `master_link_status:${isUp ? "up" : "down"}`,
    `master_last_io_seconds_ago:${isUp ? Math.floor((peer.silentMs ?? 0) / 1000) : -1}`,
    `master_sync_in_progress:${view.isReceivingSnapshot ? 1 : 0}`,
    `slave_read_repl_offset:${view.appliedIndex}`,
    `slave_repl_offset:${view.lastIndex}`,
    ...isUp ? [] : [`master_link_down_since_seconds:${Math.floor(missingMs / 1000)}`],
    "slave_read_only:1",
    "connected_slaves:0",
    "master_failover_state:no-failover",
  ];
}

/** The leader as a follower knows it, or knew it last; nobody where that was this server itself. */
function leaderSeen(view: ServerView): { leader: ServerPlace; peer: PeerView | undefined } {
  const id = view.lastLeaderId === view.serverId ? 0 : view.lastLeaderId;
  return { leader: placeOf(id, view), peer: view.peers.find((one) => one.id === id) };
}

function placeOf(id: number, view: ServerView): ServerPlace {
  return view.servers.find((one) => one.id === id) ?? { id, hostname: "", port: 0, logPort: 0 };
}

/** All that is known of another server, reached or not; what is not known is left out. */
function peerText(peer: PeerView, view: ServerView): string {
  const { hostname, port } = placeOf(peer.id, view);
  const words = [`ip=${hostname}`, `port=${port}`, `state=${peer.reach}`];
  words.push(`connected=${peer.isConnected ? 1 : 0}`);
  if (peer.silentMs !== null) words.push(`silent_ms=${Math.floor(peer.silentMs)}`);
  if (peer.matchIndex !== null) {
    words.push(`match_index=${peer.matchIndex}`, `lag=${view.lastIndex - peer.matchIndex}`);
  }
  if (peer.appliedIndex !== null) words.push(`applied_index=${peer.appliedIndex}`);
  if (peer.isEmpty) words.push("loading=1");
  return words.join(",");
}

/** ROLE, as Redis answers it: what leads and who follows up to where, or whom this server follows. */
export function writeRole(out: ByteWriter, view: ServerView): void {
  if (leads(view)) {
    const followers = view.peers.filter(isReplicating);
    writeArray(out, 3);
    writeText(out, "master");
    writeInteger(out, view.lastIndex);
    writeArray(out, followers.length);
    for (const peer of followers) {
      const { hostname, port } = placeOf(peer.id, view);
      writeArray(out, 3);
      writeText(out, hostname);
      writeText(out, `${port}`);
      writeText(out, `${peer.matchIndex ?? 0}`);
    }
    return;
  }
  const { leader, peer } = leaderSeen(view);
  const isUp = view.hasLeader && peer !== undefined && isReplicating(peer);
  writeArray(out, 5);
  writeText(out, "slave");
  writeText(out, leader.hostname);
  writeInteger(out, leader.port);
  writeText(out, !isUp ? "connect" : view.isReceivingSnapshot ? "sync" : "connected");
  writeInteger(out, isUp ? view.lastIndex : -1);
}
