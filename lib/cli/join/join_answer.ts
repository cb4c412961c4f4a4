/** The reply to RAFTKV.MEMBER JOIN, checked before anything of it is used. Pure. */
import type { Reply } from "../../../client/mod.ts";

/** What the leader answers to a server that asks to be taken in. */
export interface JoinAnswer {
  /** It can be added, take the place of the member with its id, or is taken in already. */
  readonly standing: "new" | "replaces" | "member";
  /** 32 hexadecimal digits. */
  readonly clusterId: string;
  readonly electionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
}

const STANDINGS = ["new", "replaces", "member"] as const;

/** @throws {Error} with what is wrong with it, as a sentence. */
export function readJoinAnswer(reply: Reply): JoinAnswer {
  if (!(reply instanceof Map)) throw notUnderstood("it is no map");
  const word = (name: string) => {
    const value = reply.get(name);
    return value instanceof Uint8Array ? new TextDecoder().decode(value.subarray(0, 64)) : value;
  };
  const ms = (name: string) => {
    const value = reply.get(name);
    if (typeof value === "number" && value > 0) return value;
    throw notUnderstood(`${name} is no time`);
  };
  const standing = STANDINGS.find((one) => one === word("standing"));
  if (standing === undefined) throw notUnderstood("standing is unknown");
  const clusterId = word("clusterId");
  if (typeof clusterId !== "string" || !/^[0-9a-f]{32}$/.test(clusterId)) {
    throw notUnderstood("clusterId is none");
  }
  return {
    standing,
    clusterId,
    electionTimeoutMs: ms("electionTimeoutMs"),
    heartbeatIntervalMs: ms("heartbeatIntervalMs"),
  };
}

function notUnderstood(what: string): Error {
  return new Error(`the answer to RAFTKV.MEMBER JOIN is not understood: ${what}`);
}
