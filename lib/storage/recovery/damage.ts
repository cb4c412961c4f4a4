/** Damage to a log: where it is, which entries it affects, and the sentences for people. */

/** Bytes that were durable once and do not check out now. */
export interface Damage {
  readonly path: string;
  /** The damaged bytes: `[offset, end)`. */
  readonly offset: number;
  readonly end: number;
  readonly reason: string;
  /** The entries that were in them, as far as what follows tells; null where it does not. */
  readonly firstIndex: number;
  lastIndex: number | null;
}

/** Notes where a damaged range of entries ends, now that entry `next` is known to follow it. */
export function closeRange(damage: Damage, next: number): void {
  if (next > damage.firstIndex) damage.lastIndex = next - 1;
}

/** The damage that a file is not there; `firstIndex`: of the first entry that it had. */
export function missing(path: string, firstIndex: number): Damage {
  return { path, offset: 0, end: 0, reason: "the file is missing", firstIndex, lastIndex: null };
}

/** Where the first damage is, if nothing of what it affects is needed. */
export function needlessDamageSentence(damage: readonly Damage[]): string {
  const more = damage.length > 1 ? ` ${damage.length} places are damaged in all.` : "";
  const { path, reason } = damage[0]!;
  return `${path}${bytesOf(damage[0]!)}: ${reason}.${more} Check this disk: the damaged data ` +
    "had been durable.";
}

/** Where the first damage is, what it means, and how many there are. */
export function damageSentence(damage: readonly Damage[]): string {
  const more = damage.length > 1 ? ` ${damage.length} places are damaged in all.` : "";
  return oneDamageSentence(damage[0]!) + more;
}

/** Where a damage is and what it means. */
export function oneDamageSentence(damage: Damage): string {
  const { path, reason, firstIndex, lastIndex } = damage;
  const bytes = bytesOf(damage);
  const entries = lastIndex === null
    ? `entry ${firstIndex} and those after it`
    : `entries ${firstIndex} to ${lastIndex}`;
  return `${path} is damaged${bytes}: ${reason}. This data had been durable, so a crash does not ` +
    `explain the damage; ${entries} may be lost on this server.`;
}

function bytesOf({ offset, end }: Damage): string {
  return end > offset ? ` at byte ${offset} (up to byte ${end})` : "";
}
