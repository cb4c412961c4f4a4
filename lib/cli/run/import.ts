/** `raftkv import`, once its flags are parsed. */
import { createHash } from "node:crypto";
import { type Client, Link, Refused } from "../../../client/mod.ts";
import { failureOf } from "../connect/failures.ts";
import { type Session, timeoutMsOf, withClient } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { visibleText } from "../output/escape.ts";
import type { Progress } from "../output/progress.ts";
import { counted, countText, secondsText } from "../output/units.ts";
import { runTool, type Tool } from "../tool.ts";
import {
  parseRedisUrl,
  type RedisPlace,
  RedisSource,
  type RedisString,
} from "../transfer/redis_source.ts";
import type { ImportFlags } from "./import_flags.ts";
import { progressOf } from "./load.ts";

/** Longer ones no server can be told to take (`valueBytesMax`). */
const VALUE_BYTES_MAX = 67_108_864;
/** Groups whose writes are under way while the next is read. */
const GROUPS_AHEAD = 4;
const SAMPLE_KEYS = 1_000;
/** Deadlines may differ by what the clocks of two machines do, and the way between them. */
const DEADLINE_SLACK_MS = 5_000;
const NAMES_SHOWN = 3;
const PART_OF_CLUSTER =
  "the source is a node of a Redis Cluster, and has a part of the keys: give " +
  "the command once for each of its masters";
/** So many keys that were not taken are known again; of more, the comparison says that they differ. */
const NOT_TAKEN_KNOWN = 100_000;

/** What became of the source's keys. */
class Account {
  copied = 0;
  readonly otherTypes = new Map<string, number>();
  /** Refused by the cluster, or too long for it: how many, and some of them with the reason. */
  notTaken = 0;
  readonly reasons: string[] = [];
  /** Digests: such a key may be of any length. */
  readonly #notTakenKeys = new Set<string>();

  noteNotTaken(key: Uint8Array, reason: string): void {
    this.notTaken++;
    if (this.reasons.length < NAMES_SHOWN) this.reasons.push(`${nameOf(key)}: ${reason}`);
    if (this.#notTakenKeys.size < NOT_TAKEN_KNOWN) this.#notTakenKeys.add(digestOf(key));
  }

  /** It was said of this key that it was not taken: that it differs is no news. */
  isNotTaken(key: Uint8Array): boolean {
    return this.notTaken > 0 && this.#notTakenKeys.has(digestOf(key));
  }
}

function digestOf(key: Uint8Array): string {
  return createHash("sha256").update(key).digest("base64");
}

/** @throws {CliError} where not all of it is in the cluster as it was in the source. */
export async function runImport(this: CliContext, flags: ImportFlags, url: string): Promise<void> {
  await runTool(this, async (tool) => {
    const place = parseRedisUrl(url);
    const timeoutMs = timeoutMsOf(flags, tool.host);
    const link = new Link(place.server, { timeoutMs, signal: tool.signal });
    const source = new RedisSource(link, VALUE_BYTES_MAX);
    const startMs = performance.now();
    const progress = progressOf(tool, "key");
    const account = new Account();
    try {
      await begin(source, place);
      await withClient(tool, flags, async (session) => {
        const sample = new Sample();
        await copy(source, session, progress, account, sample);
        progress.clear();
        const seconds = secondsText((performance.now() - startMs) / 1_000);
        tool.say(`${counted(account.copied, "string")} copied in ${seconds}`);
        const strings = stringsToCompare(source, flags.check, sample);
        const differing = flags.check === "none"
          ? { count: 0, names: [] }
          : await compare(tool, source, session, progress, account, strings);
        progress.clear();
        await sayCounts(tool, source, session);
        if (await source.isPartOfCluster()) tool.say(PART_OF_CLUSTER);
        judge(account, differing);
      });
    } catch (error) {
      progress.clear();
      // What the cluster refuses has been put into words already.
      throw withCount(failureOf(error, false), account);
    } finally {
      link.close();
    }
  });
}

/** Copies all; what the cluster refuses of single keys is noted, everything else ends it. */
async function copy(
  source: RedisSource,
  session: Session,
  progress: Progress,
  account: Account,
  sample: Sample,
): Promise<void> {
  const total = await source.count();
  const writing: Promise<void>[] = [];
  let named = 0;
  try {
    for await (const group of source.groups()) {
      named += group.named;
      for (const type of group.otherTypes) {
        account.otherTypes.set(type, (account.otherTypes.get(type) ?? 0) + 1);
      }
      for (const key of group.tooLong) account.noteNotTaken(key, "its value is too long");
      for (const { key } of group.strings) sample.add(key);
      const writes = Promise.all(group.strings.map((one) => write(session, one, account)));
      // It is looked at when its turn comes.
      writes.catch(() => {});
      writing.push(writes.then(() => {}));
      if (writing.length > GROUPS_AHEAD) await writing.shift();
      progress.show(account.copied, total > 0 ? Math.min(1, named / total) : null);
    }
  } finally {
    // Where it ends early, what is under way counts too.
    await Promise.allSettled(writing);
  }
  await Promise.all(writing);
}

async function write(
  { command }: Session,
  { key, value, deadlineMs }: RedisString,
  account: Account,
): Promise<void> {
  const expiry = deadlineMs === null ? [] : ["PXAT", `${deadlineMs}`];
  try {
    await command(["SET", key, value, ...expiry], true);
    account.copied++;
  } catch (error) {
    if (!(error instanceof Refused) || error.code !== "ERR") throw error;
    account.noteNotTaken(key, error.message.replace(/^.*?: /, ""));
  }
}

function nameOf(key: Uint8Array): string {
  const text = visibleText(new TextDecoder().decode(key.subarray(0, 100)));
  return key.length > 100 ? `${text}…` : text;
}

/** What the source has by now of all keys, or of the sample. */
async function* stringsToCompare(
  source: RedisSource,
  check: ImportFlags["check"],
  sample: Sample,
): AsyncGenerator<readonly RedisString[], void, undefined> {
  if (check === "all") {
    for await (const { strings } of source.groups()) yield strings;
    return;
  }
  for (const keys of sample.groups()) yield await source.read(keys);
}

/** Compares what both sides have now; the names of some keys that differ, and how many do. */
async function compare(
  { say }: Tool,
  source: RedisSource,
  session: Session,
  progress: Progress,
  account: Account,
  groups: AsyncIterable<readonly RedisString[]>,
): Promise<{ count: number; names: string[] }> {
  const differing = { count: 0, names: [] as string[] };
  let compared = 0;
  for await (const group of groups) {
    const strings = group.filter(({ key }) => !account.isNotTaken(key));
    // Once more where they differ: the source may have changed between the two questions.
    const first = await differences(session.client, strings, session);
    const again = first.length === 0 ? [] : await source.read(first);
    for (const key of await differences(session.client, again, session)) {
      differing.count++;
      if (differing.names.length < NAMES_SHOWN) differing.names.push(nameOf(key));
    }
    compared += strings.length;
    progress.show(compared, null);
  }
  progress.clear();
  if (differing.count === 0) say(`${counted(compared, "string")} compared: all are the same`);
  return differing;
}

async function differences(
  client: Client,
  strings: readonly RedisString[],
  { each }: Session,
): Promise<Uint8Array[]> {
  const found = await Promise.all(
    strings.map(({ key }) => client.getm(key, each).catch(nothingWhereRefused)),
  );
  const nowMs = Date.now();
  return strings.filter((one, i) => !isSame(one, found[i] ?? null, nowMs)).map(({ key }) => key);
}

/** A key that the cluster can't have, such as one that is too long, is not there. */
function nothingWhereRefused(error: unknown): null {
  if (error instanceof Refused && error.code === "ERR") return null;
  throw error;
}

function isSame(
  { value, deadlineMs }: RedisString,
  found: { readonly value: Uint8Array; readonly timeToLiveMs: number | null } | null,
  nowMs: number,
): boolean {
  // What is about to expire may have done so on one side.
  if (found === null) return deadlineMs !== null && deadlineMs <= nowMs + DEADLINE_SLACK_MS;
  if (found.value.length !== value.length || found.value.some((byte, i) => byte !== value[i])) {
    return false;
  }
  if (deadlineMs === null || found.timeToLiveMs === null) return deadlineMs === found.timeToLiveMs;
  return Math.abs(nowMs + found.timeToLiveMs - deadlineMs) <= DEADLINE_SLACK_MS;
}

async function sayCounts({ say }: Tool, source: RedisSource, session: Session): Promise<void> {
  const here = await session.command(["DBSIZE"], false);
  const there = await source.count();
  say(`the source has ${counted(there, "key")} now, the cluster has ${countText(Number(here))}`);
}

/** @throws {CliError} where something was not copied, or differs. */
function judge(
  { otherTypes, notTaken, reasons }: Account,
  differing: { readonly count: number; readonly names: readonly string[] },
): void {
  const faults: string[] = [];
  if (otherTypes.size > 0) {
    const kinds = [...otherTypes].map(([type, count]) => `${countText(count)} ${type}`);
    faults.push(`not copied, as they are no strings: ${kinds.sort().join(", ")}`);
  }
  if (notTaken > 0) {
    faults.push(`not taken by the cluster: ${counted(notTaken, "key")} (${reasons.join("; ")})`);
  }
  if (differing.count > 0) {
    const names = differing.names.join(", ");
    faults.push(
      `${
        counted(differing.count, "key differs", "keys differ")
      } (${names}): where the source has ` +
        "changed meanwhile, give the command again",
    );
  }
  if (faults.length > 0) throw new CliError(EXIT.refused, faults.join("; "));
}

/** @throws {CliError} which says where a password is given, too, where the source wants to know who asks. */
async function begin(source: RedisSource, place: RedisPlace): Promise<void> {
  try {
    await source.begin(place);
  } catch (error) {
    const failure = failureOf(error, false);
    if (!(failure instanceof CliError)) throw failure;
    const { exit, message } = failure;
    if (!/NOAUTH|WRONGPASS|without any password/.test(message)) throw failure;
    const advice =
      "the password stands in the address: redis://:PASSWORD@HOST, or USER:PASSWORD@HOST";
    throw new CliError(exit, `${message}; ${advice}`, { cause: error });
  }
}

/** How far it had come where it ended in the middle. */
function withCount(error: unknown, { copied }: Account): unknown {
  if (!(error instanceof CliError) || error.message === "" || copied === 0) return error;
  const advice = `${counted(copied, "string")} copied before that; the command may be given again`;
  return new CliError(error.exit, `${error.message}; ${advice}`, { cause: error });
}

/** Up to twice `SAMPLE_KEYS` keys, evenly out of as many as come. */
class Sample {
  #keys: Uint8Array[] = [];
  #every = 1;
  #seen = 0;

  add(key: Uint8Array): void {
    if (this.#seen++ % this.#every !== 0) return;
    this.#keys.push(key.slice());
    if (this.#keys.length < 2 * SAMPLE_KEYS) return;
    this.#keys = this.#keys.filter((_, i) => i % 2 === 0);
    this.#every *= 2;
  }

  *groups(): Generator<readonly Uint8Array[], void, undefined> {
    for (let at = 0; at < this.#keys.length; at += 32) yield this.#keys.slice(at, at + 32);
  }
}
