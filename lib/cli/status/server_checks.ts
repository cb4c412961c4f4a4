/** Whether the servers are there, agree on a leader, and are those of the list here. Pure. */
import { isEarlierBuild, isUnformed, nameOf, type ServerRow } from "./cluster_view.ts";
import { type Finding, type Now, ok, unknown } from "./findings.ts";

const PROBE = "servers";

export function servers(now: Now): Finding[] {
  const { rows } = now.view;
  const silent = rows.filter(({ failure }) => failure !== null);
  const found = [
    ...silent.map((row): Finding => ({
      probe: PROBE,
      verdict: "fault",
      found: `${nameOf(row)} does not answer: ${row.failure}`,
      advice: adviceFor(row),
    })),
    ...emptied(now),
    ...removed(now),
  ];
  return found.length === 0 ? [ok(PROBE, `all ${rows.length} answer`)] : found;
}

function adviceFor(row: ServerRow): string {
  const failure = row.failure!;
  if (/refused/.test(failure)) {
    const lost = row.id === null ? "" : `; where its disk is gone: ${replaceText(row.id)}`;
    return `start it there, and read the last lines of its log: they say why it ended${lost}`;
  }
  if (/frozen/.test(failure)) {
    return "look at its process: state T is stopped (kill -CONT), D waits for the disk, R is busy";
  }
  if (/^the name /.test(failure)) return "mend the name, in the list of servers, /etc/hosts or DNS";
  if (isEarlierBuild({ failure })) return "give it this build, or mend its address";
  return "look whether its machine runs and can be reached from here: route, firewall";
}

/** How a server whose data is lost comes back. */
function replaceText(id: number): string {
  return `raftkv serve --id ${id} --join HOST:PORT on an empty directory, then ` +
    `raftkv member replace ${id}`;
}

/** Members that answer, and have an empty data directory: the others refuse them. */
function emptied({ view: { rows }, answers }: Now): Finding[] {
  const members = new Set(
    answers.flatMap(({ status }) =>
      status === null || isUnformed(status.clusterId) ? [] : status.servers.map(({ id }) => id)
    ),
  );
  const empty = answers.filter(({ status }) =>
    status !== null && isUnformed(status.clusterId) && members.has(status.serverId)
  );
  const ids = new Set(empty.map(({ status }) => status!.serverId));
  return rows.filter(({ id }) => id !== null && ids.has(id)).map((row) => ({
    probe: PROBE,
    verdict: "fault",
    found: `${nameOf(row)} has an empty data directory, and the cluster knows it with another one`,
    advice: `where that was moved, put it back; where it is lost: ${replaceText(row.id!)}`,
  }));
}

/** Servers of this cluster that answer, and are no members any more. */
function removed({ view: { removedIds } }: Now): Finding[] {
  return removedIds.map((id) => ({
    probe: PROBE,
    verdict: "warning",
    found: `server ${id} answers, and is no member any more`,
    advice: "stop it, and take it out of the lists that clients and commands have",
  }));
}

export function leader({ view }: Now): Finding[] {
  const probe = "leader";
  const answering = view.rows.filter(({ failure }) => failure === null);
  if (answering.length === 0) return [unknown(probe, "no server answers")];
  if (view.leaderId === null) {
    const found = view.findings.find((one) => one.startsWith("no leader")) ?? "no leader";
    const followed = answering.find(({ facts }) => (facts?.leaderId ?? 0) !== 0)?.facts?.leaderId;
    if (view.rows.some((row) => row.id === followed && isEarlierBuild(row))) {
      const advice = "finish the upgrade: docs/operating.md";
      return [{ probe, verdict: "warning", found, advice }];
    }
    const advice = "bring servers back until a majority answers; where one does, look at their " +
      "logs for what each waits for; where a majority is lost for good: raftkv recover --help";
    return [{ probe, verdict: "fault", found, advice }];
  }
  const others = answering.filter(({ facts }) =>
    facts !== null && facts.leaderId !== 0 && facts.leaderId !== view.leaderId
  );
  if (others.length === 0) {
    return [ok(probe, `server ${view.leaderId}, term ${view.leaderTerm}, and nobody disagrees`)];
  }
  const found = others.map((row) => `${nameOf(row)} follows server ${row.facts!.leaderId}`)
    .join(", ");
  return [{
    probe,
    verdict: "warning",
    found: `server ${view.leaderId} leads, but ${found}`,
    advice: "ask again in a second; where it stays so, look at the connections between them",
  }];
}

export function oneCluster({ view: { mixedClusters } }: Now): Finding[] {
  if (mixedClusters === null) return [];
  const advice = "ask each cluster by a list of its own; were they made by raftkv restore, make " +
    "those that differ anew, with the same file, --servers, --gap and --token as the others";
  return [{ probe: "cluster", verdict: "fault", found: mixedClusters, advice }];
}

/** Whether this machine's list of servers is the one that the servers have. */
export function clusterFile({ answers, choice }: Now): Finding[] {
  const probe = "list of servers";
  const theirs = answers.flatMap(({ status }) => status?.servers ?? []);
  if (theirs.length === 0) return [];
  const known = new Set(theirs.map(({ hostname, clientPort }) => `${hostname}:${clientPort}`));
  const strangers = answers.slice(0, choice.servers.length).filter(({ server, status }) =>
    status === null && !known.has(`${server.hostname}:${server.port}`)
  );
  if (strangers.length === 0) return [ok(probe, `${choice.from} fits what the servers say`)];
  const names = strangers.map(({ server }) => `${server.hostname}:${server.port}`).join(", ");
  return [{
    probe,
    verdict: "warning",
    found: `${names} from ${choice.from} is none of the cluster's servers`,
    advice: `the cluster's are ${[...known].join(", ")}: mend ${choice.from}`,
  }];
}
