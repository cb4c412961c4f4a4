/** All commands of the command line, one after the other, and what each has to keep. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { cli, type CliEnded } from "./cli_process.ts";
import type { Cluster } from "./harness.ts";

/** What one types, and the exit code where a leader serves. */
export const DATA_COMMANDS: readonly (readonly string[])[] = [
  ["set", "a", "1"],
  ["get", "a"],
  ["getm", "a"],
  ["cas", "lock", "0", "me"],
  ["delete", "lock"],
  ["incr", "n"],
  ["keys"],
  ["scan"],
  ["dump"],
  ["load", "lines.json"],
  ["bench", "--duration", "100ms", "--clients", "2", "--keys", "10"],
];
export const LOOKING_COMMANDS: readonly (readonly string[])[] = [["status"], ["check"], [
  "top",
  "--interval",
  "100ms",
]];
/** Wide: `bench:status` has the figure, 1.5 s. A frozen server that is waited for takes for ever. */
const LOOKING_MS = 15_000;

export function writeLines(cluster: Cluster): void {
  Deno.writeTextFileSync(`${cluster.directory}/lines.json`, '{"key":"l","value":"1"}\n');
}

/** No command leaves a stack trace, or says anything where all is well and nothing is worth a line. */
function assertSpeaksPlainly({ error }: CliEnded): void {
  assert(!/\n\s+at /.test(error), error);
  for (const line of error.trimEnd().split("\n")) {
    assert(line === "" || line.startsWith("raftkv: "), error);
  }
}

export async function runAll(
  cluster: Cluster,
  wanted: number,
  sentence: RegExp,
  flags: string[] = [],
) {
  for (const command of DATA_COMMANDS) {
    const ended = await cli(cluster, [...command, ...flags]);
    assertEquals(
      { command: command[0], code: ended.code },
      { command: command[0], code: wanted },
      ended.error,
    );
    assertMatch(ended.error, sentence);
    assertSpeaksPlainly(ended);
  }
}

export async function look(cluster: Cluster, wanted: readonly number[], flags: string[] = []) {
  const all: Record<string, string> = {};
  for (const command of LOOKING_COMMANDS) {
    const ended = await cli(cluster, [...command, ...flags]);
    assert(wanted.includes(ended.code), `${command[0]}: ${ended.code}: ${ended.out}${ended.error}`);
    assert(ended.tookMs < LOOKING_MS, `${command[0]} took ${ended.tookMs} ms`);
    assertSpeaksPlainly(ended);
    all[command[0]!] = ended.out;
  }
  return all;
}
