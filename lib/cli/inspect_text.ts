/** A report on a data directory as text. Pure. */
import type { DirectoryReport } from "../storage/inspection/inspect.ts";
import { escapeUnseen } from "../util/unseen.ts";
import { describeConfiguration } from "../raft/describe.ts";
import type { HardState } from "../raft/types.ts";

export function inspectText(report: DirectoryReport, isServerRunning: boolean | null): string {
  return [
    ...headLines(report, isServerRunning),
    ...snapshotLines(report),
    ...logLines(report),
    ...recordLines(report),
    ...section("files", report.files.map(({ path, bytes }) => `${path}  ${bytes} bytes`)),
    ...section("notes", report.notes),
    ...section(
      report.problems.length === 0 ? "no damage" : "damage",
      report.problems.map(({ path, offset, message }) =>
        `${path}${offset === null ? "" : `, byte ${offset}`}: ${message}`
      ),
    ),
  ].join("\n");
}

function headLines(
  { path, identity, formation, repairing }: DirectoryReport,
  isServerRunning: boolean | null,
): string[] {
  const lines = [`data directory  ${escapeUnseen(path)}`];
  if (isServerRunning) {
    lines.push("in use          a server is running here: what it writes now may look torn");
  } else if (isServerRunning === null) {
    lines.push("in use          not known: the lock can't be tested");
  }
  lines.push(
    identity === null
      ? "server          not known"
      : `server          ${identity.serverId}, incarnation ${identity.incarnation}`,
  );
  if (formation === null) lines.push("cluster         none yet, or not known");
  else {
    const members = formation.members.map((one) => `${one.serverId} (${one.incarnation})`);
    lines.push(`cluster         ${formation.clusterId}, ${formation.stage}`);
    const what = formation.joined === true ? "joined, of     " : "formed with    ";
    lines.push(`${what} ${members.join(", ")}`);
  }
  if (repairing !== null) {
    const { fromIndex, lastIndexSeen, reason } = repairing;
    lines.push(
      `repairing       from entry ${fromIndex} on, seen up to ${lastIndexSeen}: ${reason}`,
    );
  }
  return lines;
}

function snapshotLines({ snapshots }: DirectoryReport): string[] {
  return section(
    snapshots.length === 0 ? "no snapshots" : "snapshots",
    snapshots.map(({ path, position, bytes, head, configuration, problem }) => {
      const at = `up to entry ${position.index} of term ${position.term}, ${bytes} bytes`;
      const keys = head === null
        ? ""
        : `, ${head.keys} keys, digest ${head.digest}, cluster version ${head.clusterVersion}` +
          (head.users === 0 ? "" : `, ${head.users} users`) +
          (head.clientSessions === 0 ? "" : `, ${head.clientSessions} client sessions`) +
          (head.loadedScripts === 0 ? "" : `, ${head.loadedScripts} scripts`);
      const voters = configuration === null ? "" : `, ${describeConfiguration(configuration)}`;
      return `${path}  ${at}${keys}${voters}${problem === null ? "" : ", DAMAGED"}`;
    }),
  );
}

function logLines({ log, segments }: DirectoryReport): string[] {
  if (log === null) return ["", "no log"];
  const { firstIndex, lastIndex, lastTerm, hardState, tornBytes } = log;
  const entries = lastIndex < firstIndex
    ? `no entries; the next is ${lastIndex + 1}`
    : `entries ${firstIndex} to ${lastIndex}, the last of term ${lastTerm}`;
  const torn = tornBytes === 0 ? "" : `, then ${tornBytes} bytes torn by a crash`;
  return section(`log: ${entries}${torn}`, [
    `hard state: ${hardStateText(hardState)}`,
    ...segments.map((one) => {
      const range = one.lastIndex < one.firstIndex
        ? `no entries from ${one.firstIndex} on`
        : `entries ${one.firstIndex} to ${one.lastIndex}`;
      const how = one.restarts ? ", the log begins again here" : "";
      const end = one.closed ? ", closed" : "";
      return `${one.path}  ${range}, term ${one.term} when it was made, ` +
        `${one.usedBytes} of ${one.bytes} bytes${end}${how}`;
    }),
  ]);
}

function recordLines({ records }: DirectoryReport): string[] {
  if (records === undefined) return [];
  return section(
    "records",
    records.map(({ path, offset, bytes, kind, text }) =>
      `${path}  byte ${offset}, ${bytes} bytes  ${kind}  ${text}`
    ),
  );
}

function hardStateText({ term, votedFor, suspect }: HardState): string {
  return `term ${term}, voted for ${votedFor || "nobody"}${suspect ? ", suspect" : ""}`;
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 && !/^(no|log)/.test(title)
    ? []
    : ["", title, ...lines.map((line) => `  ${escapeUnseen(line)}`)];
}
