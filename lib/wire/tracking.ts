/**
 * CLIENT TRACKING, between a codec and its session: a connection that keeps what it has read is told when
 * that is not so any more. docs/watches.md says what it may rely on.
 */
import { latin1Bytes } from "../util/latin1.ts";
import { ByteWriter } from "../util/bytes.ts";
import { writeArray, writeBulk, writeInteger, writeNull, writeText } from "./resp/resp_bytes.ts";

/** Where those of version 2 hear what a connection that redirects to them is to forget. */
export const INVALIDATE_CHANNEL = "__redis__:invalidate";

/** Both: that is refused, once other reasons are not there. */
export type TrackingOption = "optin" | "optout" | "both" | null;

/** How a connection wants to be told. Keys and prefixes are latin-1: a character is a byte. */
export interface TrackingMode {
  /** Of all changes of keys that begin so, whether it has read them or not; null: of what it has read. */
  readonly prefixes: readonly string[] | null;
  /** Not of what it writes itself. */
  readonly isNoLoop: boolean;
  /** What it reads is noted only after a CLIENT CACHING YES, or but for what comes after a NO. */
  readonly option: TrackingOption;
  /** Another connection is told in its place; 0: none. */
  readonly redirect: number;
}

/** Why it is not so. */
export type TrackingRefusal =
  | "noRedirect"
  | "otherUser"
  | "otherMode"
  | "optionWithPrefixes"
  | "bothOptions"
  | "otherOption"
  | "tooMany"
  | "tooManyInAll"
  /** `isGiven`: the other one came with it. */
  | { readonly prefix: string; readonly overlaps: string; readonly isGiven: boolean };

export interface ClientTracking {
  /** Null where it is off. */
  readonly mode: TrackingMode | null;
  /** The connection that it redirects to is gone. */
  readonly isBroken: boolean;
  /** A CLIENT CACHING was given, for what comes next. */
  readonly isCaching: boolean;
  turnOn(mode: TrackingMode): TrackingRefusal | null;
  turnOff(): void;
  /** The next command, or transaction, is noted where others are not, or the other way round. */
  cache(): void;
  /** It is shown these keys as they are now. */
  read(keys: readonly string[]): void;
}

/** What the client is to forget, as version 3 of the protocol has it; null: all. */
export function encodeInvalidation(key: string | null): Uint8Array {
  const out = new ByteWriter();
  writeArray(out, 2);
  writeText(out, "invalidate");
  writeKeys(out, key, true);
  return out.copy();
}

/** The same in version 2, for a connection that subscribes to the channel of such. */
export function encodeInvalidationMessage(key: string | null): Uint8Array {
  const out = new ByteWriter();
  writeArray(out, 3);
  writeText(out, "message");
  writeText(out, INVALIDATE_CHANNEL);
  writeKeys(out, key, false);
  return out.copy();
}

/** The connection that was to be told is gone. */
export function encodeBrokenRedirect(clientId: number): Uint8Array {
  const out = new ByteWriter();
  writeArray(out, 2);
  writeText(out, "tracking-redir-broken");
  writeInteger(out, clientId);
  return out.copy();
}

function writeKeys(out: ByteWriter, key: string | null, isResp3: boolean): void {
  if (key === null) return writeNull(out, isResp3);
  const bytes = latin1Bytes(key);
  writeArray(out, 1);
  writeBulk(out, bytes, 0, bytes.length);
}
