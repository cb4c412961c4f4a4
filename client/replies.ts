/** From replies to what the calls give. All throw `ProtocolProblem` where the reply is something else. */
import type { CasOutcome, Versioned } from "./calls.ts";
import { ProtocolProblem } from "./errors.ts";
import type { Reply } from "./reply_parser.ts";
import type { ValueKind } from "./values.ts";

/** Replies with values of one kind. */
export interface ValueReplies<Out> {
  readonly value: (reply: Reply) => Out | null;
  readonly versioned: (reply: Reply) => Versioned<Out> | null;
  readonly values: (reply: Reply) => (Out | null)[];
}

export function valueReplies<Out, In>(kind: ValueKind<Out, In>): ValueReplies<Out> {
  const value = (reply: Reply) => reply === null ? null : kind.decode(toBulk(reply));
  return {
    value,
    values: (reply) => toList(reply).map(value),
    versioned: (reply) => {
      if (reply === null) return null;
      const [version, leftMs, bytes] = toList(reply);
      const left = toNumber(leftMs);
      const timeToLiveMs = left < 0 ? null : left;
      return { value: kind.decode(toBulk(bytes)), version: toNumber(version), timeToLiveMs };
    },
  };
}

export function toBulk(reply: Reply | undefined): Uint8Array {
  if (reply instanceof Uint8Array) return reply;
  throw new ProtocolProblem("something else where a value belongs");
}

export function toList(reply: Reply | undefined): Reply[] {
  if (Array.isArray(reply)) return reply;
  throw new ProtocolProblem("something else where a list belongs");
}

export function toNumber(reply: Reply | undefined): number {
  if (typeof reply === "number") return reply;
  throw new ProtocolProblem("something else where a number belongs");
}

export function toBigint(reply: Reply): bigint {
  if (typeof reply === "number" || typeof reply === "bigint") return BigInt(reply);
  throw new ProtocolProblem("something else where a number belongs");
}

export function toWasDeleted(reply: Reply): boolean {
  return toNumber(reply) > 0;
}

export function toCasOutcome(reply: Reply): CasOutcome {
  if (reply === null) return { isStored: false, why: "notFound" };
  const version = toNumber(reply);
  return version === 0 ? { isStored: false, why: "versionDiffers" } : { isStored: true, version };
}
