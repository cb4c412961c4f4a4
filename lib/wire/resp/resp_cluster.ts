/**
 * What a server tells of its cluster, as a Redis Cluster of one shard would. While no leader is known,
 * the layout is the last one that was: Redis keeps its own until it has a newer one, too, and clients
 * need one to be made at all.
 */
import type { ByteWriter } from "../../util/bytes.ts";
import type { PeerView, ServerPlace, ServerView } from "../codec.ts";
import { SLOTS } from "./hash_slots.ts";
import { writeArray, writeInteger, writeLine, writeMap, writeText } from "./resp_bytes.ts";

/** The reply where no leader is known and a place was asked for. Nothing was done. */
export const CLUSTER_DOWN = "-CLUSTERDOWN No leader is known now: nothing was done, try again soon";

/** The reply of a server that was removed from its cluster. Clients try another one, as after the other. */
export const REMOVED =
  "-CLUSTERDOWN This server was removed from its cluster: nothing was done, ask another one";

/** A server's id as Redis Cluster has them: 40 hexadecimal digits. */
export function nodeId(serverId: number): string {
  return serverId.toString(16).padStart(40, "0");
}

/** The leader, as it was known last; then the others, in the order of the cluster file. */
function inOrder(view: ServerView): ServerPlace[] {
  const leader = view.servers.filter((one) => one.id === view.lastLeaderId);
  return [...leader, ...view.servers.filter((one) => one.id !== view.lastLeaderId)];
}

/** What is known of a server; null of this one itself. */
function seen(id: number, view: ServerView): PeerView | null {
  return view.peers.find((one) => one.id === id) ?? null;
}

export function clusterInfo(view: ServerView): string {
  const isUp = view.takesCommands;
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

export function clusterNodes(view: ServerView): string {
  return inOrder(view).map((one) => {
    const leads = one.id === view.lastLeaderId;
    const peer = seen(one.id, view);
    const flags = [leads ? "master" : "slave"];
    if (one.id === view.serverId) flags.unshift("myself");
    else if (peer === null || peer.reach === "lost") flags.push("fail");
    else if (peer.reach === "silent") flags.push("fail?");
    const master = leads || view.lastLeaderId === 0 ? "-" : nodeId(view.lastLeaderId);
    const place = `${one.hostname}:${one.port}@${one.logPort}`;
    const heardMs = peer === null || peer.silentMs === null
      ? 0
      : Math.floor(view.wallMs - peer.silentMs);
    const isConnected = one.id === view.serverId || peer?.isConnected === true;
    const link = isConnected ? "connected" : "disconnected";
    const slots = leads ? ` 0-${SLOTS - 1}` : "";
    const id = nodeId(one.id);
    return `${id} ${place} ${
      flags.join(",")
    } ${master} 0 ${heardMs} ${view.term} ${link}${slots}\n`;
  }).join("");
}

/** What there is in place of a layout; null where there is one. Who was removed hears of no change of it. */
function noLayout({ isRemoved, lastLeaderId }: ServerView): string | null {
  if (isRemoved) return REMOVED;
  return lastLeaderId === 0 ? CLUSTER_DOWN : null;
}

/**
 * Leaves out whom no client should turn to. The leader is always there, as a master is in Redis: its
 * successor is not known yet.
 */
export function writeSlots(out: ByteWriter, view: ServerView): void {
  const absent = noLayout(view);
  if (absent !== null) return writeLine(out, absent);
  const servers = inOrder(view).filter((one) => {
    return one.id === view.lastLeaderId || healthOf(one.id, view) === "online";
  });
  writeArray(out, 1);
  writeArray(out, 2 + servers.length);
  writeInteger(out, 0);
  writeInteger(out, SLOTS - 1);
  for (const one of servers) {
    writeArray(out, 4);
    writeText(out, one.hostname);
    writeInteger(out, one.port);
    writeText(out, nodeId(one.id));
    writeArray(out, 0);
  }
}

export function writeShards(out: ByteWriter, isResp3: boolean, view: ServerView): void {
  const absent = noLayout(view);
  if (absent !== null) return writeLine(out, absent);
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
    writeText(out, one.id === view.lastLeaderId ? "master" : "replica");
    writeText(out, "replication-offset");
    writeInteger(out, offsetOf(one.id, view));
    writeText(out, "health");
    writeText(out, healthOf(one.id, view));
  }
}

/** How far a server's log, or what it has applied, is known to go; 0 where nothing is known of it. */
function offsetOf(id: number, view: ServerView): number {
  if (id === view.serverId) return view.lastIndex;
  const peer = seen(id, view);
  return peer?.matchIndex ?? peer?.appliedIndex ?? 0;
}

function healthOf(id: number, view: ServerView): "online" | "loading" | "fail" {
  if (id === view.serverId) return view.isLoading ? "loading" : "online";
  const peer = seen(id, view);
  if (peer === null || !peer.isConnected || peer.reach !== "heard") return "fail";
  return peer.isEmpty ? "loading" : "online";
}
