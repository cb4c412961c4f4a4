/** Looks on while a new member catches up, until it votes. */
import type { MemberInfo } from "../../../client/mod.ts";
import type { Session } from "../connect/with_client.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { pause } from "../output/pause.ts";
import { clip } from "../output/table.ts";
import { counted, countText } from "../output/units.ts";
import type { Tool } from "../tool.ts";
import { failureWith } from "./outcome.ts";

const LOOK_MS = 500;
/** Where no terminal shows how far it is, a line says so as often as this, the first one sooner. */
const LINE_MS = 10_000;
const FIRST_LINE_MS = 2_000;

/**
 * Resolves once server `id` votes, or is one that stays a learner. `again`: the command that looks on after
 * an interruption.
 * @throws {CliError} where it is out again, or nobody tells; the sentence says what continues by itself.
 */
export async function awaitVoter(
  tool: Tool,
  { client, each }: Session,
  id: number,
  again: string,
): Promise<"voter" | "learner"> {
  const reporter = new CatchUpReporter(tool);
  try {
    for (;;) {
      const { members } = await client.members(each);
      const member = members.find((one) => one.id === id);
      if (member === undefined) {
        throw new CliError(EXIT.refused, `server ${id} was taken out meanwhile`);
      }
      if (member.role === "voter") return "voter";
      if (member.role === "learner" && member.staysLearner) return "learner";
      reporter.show(member);
      await pause(LOOK_MS, tool.signal);
    }
  } catch (error) {
    reporter.clear();
    if (error instanceof CliError && error.exit === EXIT.refused) throw error;
    throw failureWith(
      error,
      tool,
      `server ${id} is a learner by now, and the leader makes it a voter by itself once it keeps ` +
        `up; ${again} looks on`,
    );
  } finally {
    reporter.clear();
  }
}

/** How far it is: on a terminal all the while, elsewhere a line now and then. */
class CatchUpReporter {
  readonly #tool: Tool;
  #before: { readonly atMs: number; readonly matchIndex: number } | null = null;
  #saidMs = performance.now() + FIRST_LINE_MS - LINE_MS;
  #isDrawn = false;

  constructor(tool: Tool) {
    this.#tool = tool;
  }

  show(member: MemberInfo): void {
    const { console, host, say } = this.#tool;
    const atMs = performance.now();
    const text = catchUpText(member, this.#rate(member.matchIndex, atMs));
    this.#before = { atMs, matchIndex: member.matchIndex };
    if (console.errorIsTerminal) {
      this.#isDrawn = true;
      host.writeError(`\r\x1b[K${clip(text, console.size().columns - 1)}`);
    } else if (atMs - this.#saidMs >= LINE_MS) {
      this.#saidMs = atMs;
      say(text);
    }
  }

  /** Takes the line away, so that what is said next stands on a line of its own. */
  clear(): void {
    if (this.#isDrawn) this.#tool.host.writeError("\r\x1b[K");
    this.#isDrawn = false;
  }

  #rate(matchIndex: number, atMs: number): number | null {
    const before = this.#before;
    if (before === null || atMs <= before.atMs) return null;
    return Math.max(0, matchIndex - before.matchIndex) * 1_000 / (atMs - before.atMs);
  }
}

/** One line; `ratePerSecond`: entries, null where it is not known yet. Pure. */
export function catchUpText(
  { id, lagEntries, isReachable, isSentSnapshot, keepsUp }: MemberInfo,
  ratePerSecond: number | null,
): string {
  if (!isReachable) return `server ${id} does not answer the leader yet`;
  if (isSentSnapshot) return `server ${id} is sent a snapshot`;
  if (keepsUp) return `server ${id} keeps up, and is about to be made a voter`;
  const left = counted(lagEntries, "entry", "entries");
  const rate = ratePerSecond === null ? "" : `, ${countText(ratePerSecond)}/s`;
  return `server ${id} catches up: ${left} left${rate}`;
}
