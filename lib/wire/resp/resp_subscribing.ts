/** SUBSCRIBE and its kin, PUBLISH and PUBSUB: channels, as Redis has them (docs/watches.md). */
import { COMMAND_HEAD_BYTES, commandLength, encodeCommand, Op } from "../../kv/commands/command.ts";
import { Glob } from "../../kv/commands/glob.ts";
import { latin1, latin1Bytes } from "../../util/latin1.ts";
import { ByteWriter, readU32 } from "../../util/bytes.ts";
import { Action, ClientError } from "../command_batch.ts";
import {
  CHANNEL_BYTES_MORE,
  CHANNEL_PATTERN_BYTES_MAX,
  type ClientSubscriptions,
  type ServerChannels,
} from "../subscribing.ts";
import { arity } from "./resp_connection.ts";
import {
  writeArray,
  writeBulk,
  writeInteger,
  writeLine,
  writeNull,
  writeText,
} from "./resp_bytes.ts";
import { RESP3, RespMode } from "./resp_replies.ts";
import type { RespRequest } from "./resp_request.ts";

const GREATER = 0x3e;
const SUBSCRIBE = 1;
const PATTERN = 2;
const WORDS = ["unsubscribe", "subscribe", "punsubscribe", "psubscribe"] as const;

/** The most of a list of channels. */
const CHANNELS_BYTES_MAX = 1_048_576;
const TOO_MUCH =
  "-ERR there are more channels than one reply may carry: ask for those of a pattern";

/** As Redis 7.0 has it. */
const HELP = [
  "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
  "CHANNELS [<pattern>]",
  "    Return the currently active channels matching a <pattern> (default: '*').",
  "NUMPAT",
  "    Return number of subscriptions to patterns.",
  "NUMSUB [<channel> ...]",
  "    Return the number of subscribers for the specified channels, excluding",
  "    pattern subscriptions(default: no channels).",
  "HELP",
  "    Prints this help.",
];

export function subscribe(r: RespRequest): void {
  changeSubscriptions(r, SUBSCRIBE);
}

export function unsubscribe(r: RespRequest): void {
  changeSubscriptions(r, 0);
}

export function psubscribe(r: RespRequest): void {
  changeSubscriptions(r, SUBSCRIBE | PATTERN);
}

export function punsubscribe(r: RespRequest): void {
  changeSubscriptions(r, PATTERN);
}

/** What is asked for waits for its turn as a constant: a byte of flags, then each name after its length. */
function changeSubscriptions(r: RespRequest, flags: number): void {
  if (r.queue !== null) return r.refuse("ERR this command is not supported within a transaction");
  const value = new ByteWriter();
  value.u8(flags);
  for (let i = 1; i < r.count; i++) {
    if (!isName(r, i, (flags & PATTERN) !== 0)) return;
    value.u32(r.length(i));
    value.slice(r.bytes, r.starts[i]!, r.ends[i]!);
  }
  const { batch } = r;
  const at = encodeCommand(batch.bytes, Op.constant, value.bytes, 0, 0, 0, value.length);
  const mode = RespMode.subscribing | (r.version === 3 ? RESP3 : 0);
  batch.add(Action.local, mode, at, 0, r.command);
}

function isName(r: RespRequest, i: number, isPattern: boolean): boolean {
  const bytesMax = isPattern
    ? CHANNEL_PATTERN_BYTES_MAX
    : r.limits.keyBytesMax + CHANNEL_BYTES_MORE;
  if (r.length(i) <= bytesMax) return true;
  r.error(`ERR a ${isPattern ? "pattern" : "channel"} has more than ${bytesMax} bytes`);
  return false;
}

export function publish(r: RespRequest): void {
  if (!isName(r, 1, false) || !r.value(2)) return;
  if (r.queue !== null) {
    return r.refuse("ERR PUBLISH is no part of a transaction here: messages are not in the log");
  }
  const { batch } = r;
  const value = new ByteWriter();
  value.u32(r.length(1));
  value.slice(r.bytes, r.starts[1]!, r.ends[1]!);
  value.slice(r.bytes, r.starts[2]!, r.ends[2]!);
  const at = encodeCommand(batch.bytes, Op.constant, value.bytes, 0, 0, 0, value.length);
  batch.add(Action.local, RespMode.publishing, at, 0, r.command);
}

export function pubsub(r: RespRequest): void {
  if (r.is(1, "help")) {
    if (!arity(r, 2, "help")) return;
    return r.line([`*${HELP.length}`, ...HELP.map((line) => `+${line}`)].join("\r\n"));
  }
  for (const [name, count] of [["channels", -2], ["numsub", -2], ["numpat", 2]] as const) {
    if (!r.is(1, name)) continue;
    if (!arity(r, count, name)) return;
    if (name === "channels" && r.count > 3) {
      const what = r.text(1).slice(0, 128);
      return r.error(
        `ERR unknown subcommand or wrong number of arguments for '${what}'. Try PUBSUB HELP.`,
      );
    }
    const words: string[] = [name];
    for (let i = 2; i < r.count; i++) {
      if (!isName(r, i, name === "channels")) return;
      words.push(r.latin1(i));
    }
    return r.local(RespMode.channels, JSON.stringify(words));
  }
  r.refuse(unknownSubcommand(r));
}

function unknownSubcommand(r: RespRequest): string {
  return `ERR unknown subcommand '${r.text(1).slice(0, 128)}'. Try PUBSUB HELP.`;
}

/** Appends the replies to a change of subscriptions, one for each name; or returns why it is refused. */
export function writeSubscribing(
  out: ByteWriter,
  isResp3: boolean,
  bytes: Uint8Array,
  offset: number,
  subscriptions: ClientSubscriptions,
): ClientError | 0 {
  const end = offset + commandLength(bytes, offset);
  const flags = bytes[offset + COMMAND_HEAD_BYTES]!;
  const isPattern = (flags & PATTERN) !== 0;
  const word = WORDS[flags]!;
  const given = namesIn(bytes, offset + COMMAND_HEAD_BYTES + 1, end);
  subscriptions.isResp3 = isResp3;
  if ((flags & SUBSCRIBE) !== 0) {
    const refusal = subscriptions.refusal(isPattern, given);
    if (typeof refusal === "number") return refusal;
    if (refusal !== null) {
      writeLine(out, `-ERR there are as many as limits.${refusal} lets there be`);
      return 0;
    }
    for (const name of given) {
      subscriptions.add(isPattern, name);
      writeChange(out, isResp3, word, name, subscriptions.count);
    }
    return 0;
  }
  // What was told before comes before, and nothing after.
  subscriptions.flush(out);
  const names = given.length > 0 ? given : subscriptions.names(isPattern);
  if (names.length === 0) writeChange(out, isResp3, word, null, subscriptions.count);
  for (const name of names) {
    subscriptions.remove(isPattern, name);
    writeChange(out, isResp3, word, name, subscriptions.count);
  }
  return 0;
}

function namesIn(bytes: Uint8Array, start: number, end: number): string[] {
  const names: string[] = [];
  for (let at = start; at < end;) {
    const length = readU32(bytes, at);
    names.push(latin1(bytes.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return names;
}

function writeChange(
  out: ByteWriter,
  isResp3: boolean,
  word: string,
  name: string | null,
  count: number,
): void {
  const at = out.length;
  writeArray(out, 3);
  if (isResp3) out.bytes[at] = GREATER;
  writeText(out, word);
  if (name === null) writeNull(out, isResp3);
  else writeName(out, name);
  writeInteger(out, count);
}

function writeName(out: ByteWriter, name: string): void {
  const bytes = latin1Bytes(name);
  writeBulk(out, bytes, 0, bytes.length);
}

/** Appends the reply to a PUBLISH: how many connections of this server were told; or returns why not. */
export function writePublishing(
  out: ByteWriter,
  bytes: Uint8Array,
  offset: number,
  subscriptions: ClientSubscriptions,
): ClientError | 0 {
  const start = offset + COMMAND_HEAD_BYTES + 4;
  const messageAt = start + readU32(bytes, start - 4);
  const channel = latin1(bytes.subarray(start, messageAt));
  if (!subscriptions.mayUse(false, [channel])) return ClientError.notPermittedChannel;
  const message = bytes.slice(messageAt, offset + commandLength(bytes, offset));
  const count = subscriptions.publish(channel, message);
  if (count === null) {
    writeLine(out, "-TRYAGAIN beyond limits.publishBytesPerSecond: nobody was told, send less");
    return 0;
  }
  // Who is told itself is told before it is answered.
  subscriptions.flush(out);
  writeInteger(out, count);
  return 0;
}

/** Appends the reply to a PUBSUB; `argument`: what `pubsub` has made of it. */
export function writeChannels(out: ByteWriter, argument: string, server: ServerChannels): void {
  const [subcommand, ...names] = JSON.parse(argument) as string[]; // nobody else wrote it
  switch (subcommand) {
    case "numpat":
      return writeInteger(out, server.patternCount);
    case "numsub":
      writeArray(out, 2 * names.length);
      for (const name of names) {
        writeName(out, name);
        writeInteger(out, server.subscriberCount(name));
      }
      return;
    default:
      return writeActive(out, names[0], server);
  }
}

function writeActive(out: ByteWriter, pattern: string | undefined, server: ServerChannels): void {
  const bytes = latin1Bytes(pattern ?? "*");
  const glob = new Glob(bytes, 0, bytes.length);
  const found: string[] = [];
  let foundBytes = 0;
  for (const name of server.channelNames()) {
    const isMeant = bytes.length === 0
      ? name === ""
      : glob.matches(latin1Bytes(name), 0, name.length);
    if (!isMeant) continue;
    found.push(name);
    foundBytes += name.length + 16;
    if (foundBytes > CHANNELS_BYTES_MAX) return writeLine(out, TOO_MUCH);
  }
  writeArray(out, found.length);
  for (const name of found) writeName(out, name);
}
