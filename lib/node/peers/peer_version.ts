/**
 * Which cluster versions a server can read, as its handshake says (the feature `clusterVersion`), and why
 * one that can't read the cluster's own is kept out: it would stop on the first entry that it does not
 * know, again and again. The feature's value:
 *
 *   0  u16  the highest cluster version that the server's build can read
 *   2  u8   1: the server holds the raise back (`holdClusterVersion`); other bits are for later builds
 */
import {
  CLUSTER_VERSION_FIRST,
  NEEDED_VERSION,
  readClusterVersion,
} from "../../kv/cluster_version.ts";
import { isDescribed } from "../../raft/configuration_codec.ts";
import { ENVELOPE_BYTES } from "../../raft/envelope.ts";
import { type Entry, EntryKind, type Message, type ServerId } from "../../raft/types.ts";
import {
  Feature,
  featureOf,
  type Features,
  type Frame,
  PROTOCOL_VERSION_MIN,
  RefusalReason,
} from "../../wire/rpc/rpc.ts";
import type { Refused } from "./refused.ts";

export interface PeerVersion {
  /** The highest cluster version that it can read. */
  readonly max: number;
  /** It was told not to have the version raised. */
  readonly isHeld: boolean;
}

const HOLDS = 1;

/** The feature's value. */
export function encodePeerVersion({ max, isHeld }: PeerVersion): Uint8Array {
  return new Uint8Array([max >>> 8, max, isHeld ? HOLDS : 0]);
}

/** What a handshake says of it; a build that does not name the feature knows the first version alone. */
export function peerVersionOf(features: Features): PeerVersion {
  const value = features.get(Feature.clusterVersion);
  if (value === undefined) return { max: CLUSTER_VERSION_FIRST, isHeld: false };
  return { max: (value[0]! << 8) | value[1]!, isHeld: (value[2]! & HOLDS) !== 0 };
}

/** Null where server `id` can read what a cluster of version `needed` has in its log. */
export function versionRefusal(id: ServerId, { max }: PeerVersion, needed: number): Refused | null {
  if (max >= needed) return null;
  const text = `server ${id} runs a build that can read cluster version ${max} at most, and this ` +
    `cluster has ${needed}: start it with a later build (docs/versions.md)`;
  return { reason: RefusalReason.clusterVersion, text };
}

/** Why a frame may not come from a peer that has named `features`; null where it may. */
export function unnamedFeature(frame: Frame, features: Features): string | null {
  const feature = featureOf(frame);
  if (feature === null || features.has(feature)) return null;
  return `a ${frame.type} frame, and the handshake did not name ${feature}`;
}

/** What a peer is told that speaks protocol version `theirs`, where the versions up to `max` are spoken. */
export function otherVersionText(theirs: number, max: number): string {
  const ours = max === PROTOCOL_VERSION_MIN
    ? `protocol ${max}`
    : `protocols ${PROTOCOL_VERSION_MIN} to ${max}`;
  return `this server speaks ${ours}, not ${theirs}`;
}

/** What the log calls it where a peer that this server has connected to is refused. */
export function refusalMessage({ reason }: Refused): string {
  switch (reason) {
    case RefusalReason.otherVersion:
      return "A peer's answer makes no sense";
    case RefusalReason.secret:
      return "A peer does not prove the cluster's secret";
    case RefusalReason.certificate:
      return "A peer shows a certificate that is not its own";
    case RefusalReason.clusterVersion:
      return "A peer runs too early a build, and gets nothing until it has a later one";
    default:
      return "A peer is not the server that the cluster file names";
  }
}

/**
 * The cluster version that `entries` need: to which they raise it, or which they rest on. Commands are
 * not looked into: a leader appends none that needs a later version than its cluster has.
 */
export function neededByEntries(entries: readonly Entry[]): number {
  let needed = 0;
  for (const { data } of entries) {
    if (data[0] === EntryKind.clusterVersion) {
      needed = Math.max(needed, readClusterVersion(data, ENVELOPE_BYTES));
    } else if (data[0] === EntryKind.configuration && isDescribed(data, ENVELOPE_BYTES)) {
      needed = Math.max(needed, NEEDED_VERSION.describedConfiguration);
    }
  }
  return needed;
}

/** The cluster version that whoever takes in a message has to know. */
export function neededBy(message: Message): number {
  return message.kind === "appendRequest" ? neededByEntries(message.entries) : 0;
}
