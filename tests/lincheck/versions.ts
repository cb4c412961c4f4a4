/**
 * The fast checker. It takes the versions that the server showed as a claimed order and looks whether
 * that order can be true: one value a version, no step back in real time, nothing read that was
 * refused, nothing back from the dead, no write applied twice. O(n log n) but for deletes, which are
 * few.
 *
 * It is sound (a legal history always passes) and not complete: what it can't place, a plain get of a
 * value whose version nobody saw, is left to the search in search.ts.
 */
import { byKey, describeOperation, type Operation, type Verdict } from "./history.ts";

export interface VersionRules {
  /**
   * Keys may vanish by themselves: absence needs no delete, gaps between versions need no write. The
   * other rules stay, among them that what was seen gone never comes back.
   */
  readonly expires: boolean;
}

/** Checks every key of a history; the first finding, or null. */
export function checkVersions(
  history: readonly Operation[],
  rulesOf: (key: string) => VersionRules = () => ({ expires: false }),
): Verdict {
  for (const [key, operations] of byKey(history)) {
    const verdict = checkKeyVersions(operations, rulesOf(key));
    if (verdict !== null) return `key ${key}: ${verdict}`;
  }
  return null;
}

/** Checks the operations of one key. */
export function checkKeyVersions(operations: readonly Operation[], rules: VersionRules): Verdict {
  const writers = new Map<number, Operation>();
  for (const op of operations) if (op.value > 0) writers.set(op.value, op);
  const versionOf = new Map<number, number>();
  return checkClaims(operations, writers, versionOf) ??
    checkRealTime(operations, writers, versionOf, rules) ??
    checkConnections(operations, versionOf) ??
    (rules.expires ? null : checkGaps(operations, versionOf));
}

/** One value a version, one version a value; nothing read that nobody may have written. */
function checkClaims(
  operations: readonly Operation[],
  writers: ReadonlyMap<number, Operation>,
  versionOf: Map<number, number>,
): Verdict {
  const valueAt = new Map<number, number>();
  const claim = (op: Operation, value: number): Verdict => {
    if (op.version === 0) return null;
    const other = valueAt.get(op.version);
    if (other !== undefined && other !== value) {
      return `version ${op.version} has values ${other} and ${value}: ${describeOperation(op)}`;
    }
    const known = versionOf.get(value);
    if (known !== undefined && known !== op.version) {
      return `value ${value} has versions ${known} and ${op.version}: ${describeOperation(op)}`;
    }
    valueAt.set(op.version, value);
    versionOf.set(value, op.version);
    return null;
  };
  for (const op of operations) {
    if (op.outcome !== "ok" || op.kind === "delete") continue;
    const value = op.kind === "get" ? op.seen : op.value;
    const verdict = (op.kind === "get" ? checkSeen(op, writers) : checkWrite(op)) ??
      claim(op, value);
    if (verdict !== null) return verdict;
  }
  return null;
}

function checkSeen(op: Operation, writers: ReadonlyMap<number, Operation>): Verdict {
  const writer = writers.get(op.seen);
  if (writer === undefined) return `a value that nobody wrote was read: ${describeOperation(op)}`;
  if (writer.outcome !== "ok" && writer.outcome !== "unknown") {
    return `the value of a refused write was read: ${describeOperation(op)}, written by ` +
      describeOperation(writer);
  }
  if (writer.invokedAt > op.returnedAt) {
    return `a value was read before it was written: ${describeOperation(op)}, written by ` +
      describeOperation(writer);
  }
  return null;
}

function checkWrite(op: Operation): Verdict {
  if (op.version <= 0) return `an acknowledged write has no version: ${describeOperation(op)}`;
  if (op.kind === "cas" && op.expectedVersion > 0 && op.version !== op.expectedVersion + 1) {
    return `a cas did not step the version by one: ${describeOperation(op)}`;
  }
  return null;
}

/** The version at which an operation took place, 0 where it shows none. */
function placeOf(op: Operation, versionOf: ReadonlyMap<number, number>): number {
  if (op.kind === "get") return op.outcome === "ok" ? versionOf.get(op.seen) ?? 0 : 0;
  if (op.kind === "set" || op.kind === "cas") {
    return op.outcome === "ok" ? op.version : versionOf.get(op.value) ?? 0;
  }
  return 0;
}

/** Whether the key was absent at some moment of this operation. */
function witnessesAbsence(op: Operation): boolean {
  if (op.outcome === "notFound") return true;
  if (op.outcome !== "ok") return false;
  return op.kind === "delete" || (op.kind === "cas" && op.expectedVersion === 0);
}

/** One sweep over time: `past` is the highest version that is over, `dead` the highest seen gone. */
function checkRealTime(
  operations: readonly Operation[],
  writers: ReadonlyMap<number, Operation>,
  versionOf: ReadonlyMap<number, number>,
  rules: VersionRules,
): Verdict {
  const starts = [...operations].sort((a, b) => a.invokedAt - b.invokedAt || a.id - b.id);
  const ends = operations.filter((op) => op.returnedAt !== Infinity)
    .sort((a, b) => a.returnedAt - b.returnedAt || a.id - b.id);
  const deletes = operations.filter((op) =>
    op.kind === "delete" && (op.outcome === "ok" || op.outcome === "unknown")
  );
  const pastAtStart = new Map<Operation, number>();
  let past = 0;
  let pastBy: Operation | null = null;
  let dead = 0;
  let deadBy: Operation | null = null;
  let next = 0;
  for (const op of starts) {
    while (next < ends.length && ends[next]!.returnedAt < op.invokedAt) {
      const ended = ends[next++]!;
      const place = placeOf(ended, versionOf);
      if (place > past) [past, pastBy] = [place, ended];
      if (!witnessesAbsence(ended)) continue;
      const gone = pastAtStart.get(ended)!;
      if (gone > dead) [dead, deadBy] = [gone, ended];
    }
    pastAtStart.set(op, past);
    const place = placeOf(op, versionOf);
    const writes = op.kind === "set" || op.kind === "cas";
    if (place > 0 && (place < past || (writes && place === past))) {
      return `version ${place} after version ${past}: ${describeOperation(op)}, after ` +
        describeOperation(pastBy!);
    }
    // A cas needs the version it compares with alive, not only its own.
    const needs = op.kind === "cas" && op.outcome === "ok" && op.expectedVersion > 0
      ? op.expectedVersion
      : place;
    if (place > 0 && needs <= dead) {
      return `version ${needs} came back after it was gone: ${describeOperation(op)}, after ` +
        describeOperation(deadBy!);
    }
    if (rules.expires || !witnessesAbsence(op) || past === 0) continue;
    if (op.kind === "delete" && op.outcome === "ok") continue;
    const verdict = checkAbsence(op, past, deletes, writers, versionOf);
    if (verdict !== null) return verdict;
  }
  return null;
}

/** Absence after a version that is over needs a delete that may have come behind that version. */
function checkAbsence(
  op: Operation,
  past: number,
  deletes: readonly Operation[],
  writers: ReadonlyMap<number, Operation>,
  versionOf: ReadonlyMap<number, number>,
): Verdict {
  let writtenFrom = -Infinity;
  for (const [value, version] of versionOf) {
    if (version === past) writtenFrom = writers.get(value)?.invokedAt ?? -Infinity;
  }
  for (const candidate of deletes) {
    if (candidate === op) continue;
    if (candidate.invokedAt <= op.returnedAt && candidate.returnedAt >= writtenFrom) return null;
  }
  return `version ${past} is missing and nobody deleted it: ${describeOperation(op)}`;
}

/** Commands of one connection act in their order: none sees an older version than one before it. */
function checkConnections(
  operations: readonly Operation[],
  versionOf: ReadonlyMap<number, number>,
): Verdict {
  const latest = new Map<number, { place: number; op: Operation }>();
  for (const op of [...operations].sort((a, b) => a.id - b.id)) {
    const place = op.outcome === "ok" ? placeOf(op, versionOf) : 0;
    if (place === 0) continue;
    const before = latest.get(op.connection);
    if (
      before !== undefined && (place < before.place || (op.value > 0 && place === before.place))
    ) {
      return `commands of one connection out of order: ${describeOperation(op)}, sent behind ` +
        describeOperation(before.op);
    }
    latest.set(op.connection, { place, op });
  }
  return null;
}

/** Without deletes, each version has one write: more missing than open writes means one ran twice. */
function checkGaps(
  operations: readonly Operation[],
  versionOf: ReadonlyMap<number, number>,
): Verdict {
  let open = 0;
  for (const op of operations) {
    if (op.outcome !== "ok" && op.outcome !== "unknown") continue;
    if (op.kind === "delete") return null;
    if (op.kind !== "get" && op.outcome === "unknown" && !versionOf.has(op.value)) open++;
  }
  let low = Infinity;
  let high = 0;
  for (const version of versionOf.values()) {
    low = Math.min(low, version);
    high = Math.max(high, version);
  }
  if (versionOf.size === 0) return null;
  const missing = high - low + 1 - versionOf.size;
  if (missing <= open) return null;
  return `${missing} versions between ${low} and ${high} were written by nobody, ${open} writes are open`;
}
