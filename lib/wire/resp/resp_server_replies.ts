/** What a server tells of itself and its cluster, as Redis and Redis Cluster would. */
import type { ByteWriter } from "../../util/bytes.ts";
import type { ServerView } from "../codec.ts";
import { clusterInfo, clusterNodes, nodeId, writeShards, writeSlots } from "./resp_cluster.ts";
import { writeCommandInfo } from "./resp_command_info.ts";
import { infoText, REDIS_VERSION, writeRole } from "./resp_info.ts";
import {
  writeArray,
  writeInteger,
  writeLine,
  writeMap,
  writeProse,
  writeText,
} from "./resp_bytes.ts";
import { RespMode } from "./resp_replies.ts";

/** Appends the reply of `mode`; `argument` is what the request had with it. */
export function writeServerReply(
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
      // A majority has each write before it is answered.
      if (view.isAlone === true) return writeInteger(out, Math.floor(view.servers.length / 2));
      if (view.leaderId === view.serverId) return writeInteger(out, view.upToDateFollowers);
      return writeLine(out, "-ERR WAIT cannot be used with replica instances.");
    case RespMode.role:
      return writeRole(out, view);
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

/** Appends what HELLO answers. */
export function writeHello(
  out: ByteWriter,
  isResp3: boolean,
  clientId: number,
  view: ServerView,
): void {
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
  writeText(out, view.isAlone === true ? "standalone" : "cluster");
  writeText(out, "role");
  writeText(out, view.leaderId === view.serverId ? "master" : "replica");
  writeText(out, "modules");
  writeArray(out, 0);
}
