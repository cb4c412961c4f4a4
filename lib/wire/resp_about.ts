/** What a server tells of itself and its cluster, as Redis and Redis Cluster would. */
import type { ByteWriter } from "../util/bytes.ts";
import type { ServerPlace, ServerView } from "./codec.ts";
import { SLOTS } from "./crc16.ts";
import { writeCommandInfo } from "./resp_command_info.ts";
import {
  RespMode,
  writeArray,
  writeInteger,
  writeLine,
  writeMap,
  writeProse,
  writeText,
} from "./resp_replies.ts";

/** The Redis whose commands and replies these are. */
export const REDIS_VERSION = "7.0.15";

/** Said in place of a place where no leader is known. Nothing was done. */
export const CLUSTER_DOWN = "-CLUSTERDOWN No leader is known now: nothing was done, try again soon";

/** Appends the reply of `mode`; `argument` is what the request had with it. */
export function writeAbout(
  out: ByteWriter,
  mode: number,
  isResp3: boolean,
  argument: string,
  view: ServerView,
): void {
  switch (mode) {
    case RespMode.command:
      return writeCommandInfo(out, isResp3, argument);
    case RespMode.hello:
      return writeHello(out, isResp3, Number(argument), view);
    case RespMode.info:
      return writeProse(out, infoText(argument, view), isResp3);
    case RespMode.time: {
      const wallMs = Math.floor(view.wallMs);
      writeArray(out, 2);
      writeText(out, `${Math.floor(wallMs / 1000)}`);
      return writeText(out, `${(wallMs % 1000) * 1000}`);
    }
    case RespMode.wait:
      if (view.leaderId === view.serverId) return writeInteger(out, view.holders);
      return writeLine(out, "-ERR WAIT cannot be used with replica instances.");
    case RespMode.clusterInfo:
      return writeProse(out, clusterInfo(view), isResp3);
    case RespMode.clusterNodes:
      return writeProse(out, clusterNodes(view), isResp3);
    case RespMode.clusterMyId:
      return writeText(out, nodeId(view.serverId));
    case RespMode.clusterSlots:
      return writeSlots(out, view);
    case RespMode.clusterShards:
      return writeShards(out, isResp3, view);
  }
}

/** A server's id as Redis Cluster has them: 40 hexadecimal digits. */
export function nodeId(serverId: number): string {
  return serverId.toString(16).padStart(40, "0");
}

function isLeader(view: ServerView): boolean {
  return view.leaderId === view.serverId;
}

/** The leader, where one is known; then the others, in the order of the cluster file. */
function inOrder(view: ServerView): ServerPlace[] {
  const leader = view.servers.filter((one) => one.id === view.leaderId);
  return [...leader, ...view.servers.filter((one) => one.id !== view.leaderId)];
}

function writeHello(out: ByteWriter, isResp3: boolean, clientId: number, view: ServerView): void {
  writeMap(out, 7, isResp3);
  writeText(out, "server");
  writeText(out, "redis");
  writeText(out, "version");
  writeText(out, REDIS_VERSION);
  writeText(out, "proto");
  writeInteger(out, isResp3 ? 3 : 2);
  writeText(out, "id");
  writeInteger(out, clientId);
  writeText(out, "mode");
  writeText(out, "cluster");
  writeText(out, "role");
  writeText(out, isLeader(view) ? "master" : "replica");
  writeText(out, "modules");
  writeArray(out, 0);
}

function infoText(asked: string, view: ServerView): string {
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
  const leader = view.servers.find((one) => one.id === view.leaderId);
  const replication = isLeader(view)
    ? ["role:master", `connected_slaves:${view.servers.length - 1}`]
    : [
      "role:slave",
      `master_host:${leader?.hostname ?? ""}`,
      `master_port:${leader?.port ?? 0}`,
      `master_link_status:${leader === undefined ? "down" : "up"}`,
    ];
  const keyspace = view.keys === 0
    ? []
    : [`db0:keys=${view.keys},expires=${view.expiringKeys},avg_ttl=0`];
  return [
    ["Server", [
      `redis_version:${REDIS_VERSION}`,
      "redis_mode:cluster",
      "raftkv:1",
      `server_id:${view.serverId}`,
      `uptime_in_seconds:${seconds}`,
      `uptime_in_days:${Math.floor(seconds / 86_400)}`,
    ]],
    ["Clients", [`connected_clients:${view.connections}`]],
    ["Memory", [`content_bytes:${view.keyBytesTotal}`]],
    ["Persistence", ["loading:0", "aof_enabled:1"]],
    ["Replication", [
      ...replication,
      `raft_term:${view.term}`,
      `raft_commit_index:${view.commitIndex}`,
      `raft_applied_index:${view.appliedIndex}`,
    ]],
    ["Cluster", ["cluster_enabled:1"]],
    ["Keyspace", keyspace],
  ];
}

function clusterInfo(view: ServerView): string {
  const isUp = view.leaderId !== 0;
  return [
    `cluster_state:${isUp ? "ok" : "fail"}`,
    `cluster_slots_assigned:${SLOTS}`,
    `cluster_slots_ok:${isUp ? SLOTS : 0}`,
    "cluster_slots_pfail:0",
    `cluster_slots_fail:${isUp ? 0 : SLOTS}`,
    `cluster_known_nodes:${view.servers.length}`,
    "cluster_size:1",
    `cluster_current_epoch:${view.term}`,
    `cluster_my_epoch:${view.term}`,
  ].map((line) => `${line}\r\n`).join("");
}

function clusterNodes(view: ServerView): string {
  return inOrder(view).map((one) => {
    const leads = one.id === view.leaderId;
    const flags = `${one.id === view.serverId ? "myself," : ""}${leads ? "master" : "slave"}`;
    const master = leads || view.leaderId === 0 ? "-" : nodeId(view.leaderId);
    const place = `${one.hostname}:${one.port}@${one.logPort}`;
    const slots = leads ? ` 0-${SLOTS - 1}` : "";
    const id = nodeId(one.id);
    return `${id} ${place} ${flags} ${master} 0 0 ${view.term} connected${slots}\n`;
  }).join("");
}

function writeSlots(out: ByteWriter, view: ServerView): void {
  if (view.leaderId === 0) return writeLine(out, CLUSTER_DOWN);
  writeArray(out, 1);
  writeArray(out, 2 + view.servers.length);
  writeInteger(out, 0);
  writeInteger(out, SLOTS - 1);
  for (const one of inOrder(view)) {
    writeArray(out, 4);
    writeText(out, one.hostname);
    writeInteger(out, one.port);
    writeText(out, nodeId(one.id));
    writeArray(out, 0);
  }
}

function writeShards(out: ByteWriter, isResp3: boolean, view: ServerView): void {
  if (view.leaderId === 0) return writeLine(out, CLUSTER_DOWN);
  writeArray(out, 1);
  writeMap(out, 2, isResp3);
  writeText(out, "slots");
  writeArray(out, 2);
  writeInteger(out, 0);
  writeInteger(out, SLOTS - 1);
  writeText(out, "nodes");
  writeArray(out, view.servers.length);
  for (const one of inOrder(view)) {
    writeMap(out, 7, isResp3);
    writeText(out, "id");
    writeText(out, nodeId(one.id));
    writeText(out, "port");
    writeInteger(out, one.port);
    writeText(out, "ip");
    writeText(out, one.hostname);
    writeText(out, "endpoint");
    writeText(out, one.hostname);
    writeText(out, "role");
    writeText(out, one.id === view.leaderId ? "master" : "replica");
    writeText(out, "replication-offset");
    writeInteger(out, view.commitIndex);
    writeText(out, "health");
    writeText(out, "online");
  }
}
