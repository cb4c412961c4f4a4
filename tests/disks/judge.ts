/** What a case must come to. */
import type { DiskCase } from "./cases.ts";
import type { DiskResult } from "./run_case.ts";

/** What is not as it has to be, a sentence each; none where all is well. */
export function judge(one: DiskCase, result: DiskResult): string[] {
  const faults: string[] = [];
  const { deletesAsked, deletesServed, getsAsked, getsServed } = result;
  if (result.lost > 0) faults.push(`${result.lost} acknowledged keys are not as they have to be`);
  if (result.goesOnAfterMs === null) faults.push("sets did not go on although there is room");
  if (mayFailBeside(one)) return faults;
  if (getsServed < getsAsked) faults.push("a read was not served");
  if (result.unknown > 0) faults.push(`${result.unknown} sets were neither done nor refused`);
  if (result.startsRefused > 0) faults.push(`${result.startsRefused} starts were refused`);
  if (deletesServed < deletesAsked) faults.push("a delete was not served");
  return faults;
}

/**
 * btrfs needs room to write over what is there: beside a program that takes all that becomes free,
 * nothing is promised but what was acknowledged, and that sets go on once there is room. A start may be
 * refused there, and what it would have served with it.
 */
function mayFailBeside({ fileSystem, filling }: DiskCase): boolean {
  return fileSystem === "btrfs" && filling.by === "neighbour" && filling.kind === "greedy";
}
