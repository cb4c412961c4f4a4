/** `raftkv import`, once its flags are parsed. */
import { type Client, Link, Refused } from "../../../client/mod.ts";
import { failureOf } from "../connect/failures.ts";
import { type Session, timeoutMsOf, withClient } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { visibleText } from "../output/escape.ts";
import type { Progress } from "../output/progress.ts";
import { counted, countText, secondsText } from "../output/units.ts";
import { runTool, type Tool } from "../tool.ts";
import { parseRedisUrl, RedisSource, type RedisString } from "../transfer/redis_source.ts";
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

/** What became of the source's keys. */
interface Account {
  copied: number;
  readonly otherTypes: Map<string, number>;
  /** Refused by the cluster, or too long for it: how many, and some of them with the reason. */
  notTaken: number;
  readonly reasons: string[];
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
    try {
      await source.begin(place);
      await withClient(tool, flags, async (session) => {
        const sample = new Sample();
        const account = await copy(source, session, progress, sample);
        progress.clear();
        const seconds = secondsText((performance.now() - startMs) / 1_000);
        tool.say(`${counted(account.copied, "string")} copied in ${seconds}`);
        const differing = await compare(tool, source, session, progress, flags.check, sample);
        progress.clear();
        await sayCounts(tool, source, session);
        judge(account, differing);
      });
    } catch (error) {
      progress.clear();
      throw withAdvice(failureOf(error));
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
  sample: Sample,
): Promise<Account> {
  const account: Account = { copied: 0, otherTypes: new Map(), notTaken: 0, reasons: [] };
  const total = await source.count();
  const writing: Promise<void>[] = [];
  let named = 0;
  for await (const group of source.groups()) {
    named += group.named;
    for (const type of group.otherTypes) {
      account.otherTypes.set(type, (account.otherTypes.get(type) ?? 0) + 1);
    }
    for (const key of group.tooLong) noteNotTaken(account, key, "its value is too long");
    for (const { key } of group.strings) sample.add(key);
    const writes = Promise.all(group.strings.map((one) => write(session, one, account)));
    // It is looked at when its turn comes.
    writes.catch(() => {});
    writing.push(writes.then(() => {}));
    if (writing.length > GROUPS_AHEAD) await writing.shift();
    progress.show(account.copied, total > 0 ? Math.min(1, named / total) : null);
  }
  await Promise.all(writing);
  return account;
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
    noteNotTaken(account, key, error.message.replace(/^.*?: /, ""));
  }
}

function noteNotTaken(account: Account, key: Uint8Array, reason: string): void {
  account.notTaken++;
  if (account.reasons.length < NAMES_SHOWN) account.reasons.push(`${nameOf(key)}: ${reason}`);
}

function nameOf(key: Uint8Array): string {
  const text = visibleText(new TextDecoder().decode(key.subarray(0, 100)));
  return key.length > 100 ? `${text}…` : text;
}

/** Compares what both sides have now; the names of some keys that differ, and how many do. */
async function compare(
  { say }: Tool,
  source: RedisSource,
  session: Session,
  progress: Progress,
  check: ImportFlags["check"],
  sample: Sample,
): Promise<{ count: number; names: string[] }> {
  const differing = { count: 0, names: [] as string[] };
  if (check === "none") return differing;
  let compared = 0;
  const note = async (strings: readonly RedisString[]) => {
    // Once more where they differ: the source may have changed between the two questions.
    const first = await differences(session.client, strings, session);
    const again = first.length === 0 ? [] : await source.read(first);
    for (const key of await differences(session.client, again, session)) {
      differing.count++;
      if (differing.names.length < NAMES_SHOWN) differing.names.push(nameOf(key));
    }
    compared += strings.length;
    progress.show(compared, null);
  };
  if (check === "all") { for await (const { strings } of source.groups()) await note(strings); }
  else for (const keys of sample.groups()) await note(await source.read(keys));
  progress.clear();
  if (differing.count === 0) say(`${counted(compared, "string")} compared: all are the same`);
  return differing;
}

async function differences(
  client: Client,
  strings: readonly RedisString[],
  { each }: Session,
): Promise<Uint8Array[]> {
  const found = await Promise.all(strings.map(({ key }) => client.getm(key, each)));
  const nowMs = Date.now();
  return strings.filter((one, i) => !isSame(one, found[i] ?? null, nowMs)).map(({ key }) => key);
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

/** What to do where the source wants to know who asks. */
function withAdvice(error: unknown): unknown {
  if (
    !(error instanceof CliError) || !/NOAUTH|WRONGPASS|without any password/.test(error.message)
  ) {
    return error;
  }
  const advice =
    "the password stands in the address: redis://:PASSWORD@HOST, or USER:PASSWORD@HOST";
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
