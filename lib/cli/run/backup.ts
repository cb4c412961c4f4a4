/** `raftkv backup`, once its flags are parsed. */
import { RaftkvError, Refused } from "../../../client/mod.ts";
import { asDurable, createDurableFile, type DurableFile } from "../../host/durable_file.ts";
import { BackupAssembly } from "../../storage/backups/backup_assembly.ts";
import { DataDirectoryError } from "../../storage/errors.ts";
import type { BackupFacts } from "../../wire/backup.ts";
import type { ClientFlags } from "../connect/flag_types.ts";
import { failureOf } from "../connect/failures.ts";
import { serverText } from "../client_ports.ts";
import { chooseServers, type ServerChoice } from "../connect/servers.ts";
import { timeoutMsOf } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { visibleText } from "../output/escape.ts";
import { pause } from "../output/pause.ts";
import type { Progress } from "../output/progress.ts";
import { bytesText, counted, secondsText } from "../output/units.ts";
import { askServers } from "../status/ask_all.ts";
import { clusterView } from "../status/cluster_view.ts";
import { followersOf } from "../status/followers.ts";
import { runTool, type Tool, withFile } from "../tool.ts";
import { BackupLink, type SourceOptions } from "../transfer/backup_source.ts";
import { UsageError } from "../usage_error.ts";
import { progressOf } from "./load.ts";

/** How often a server is asked how far its snapshot is: soon at first, since as a rule it begins at once. */
const LOOK_MS = 20;
const FIRST_LOOK_MS = 2;
/** A server whose snapshot gets no further for this long is given up. */
const STILL_MS = 30_000;
/** While the file takes nothing, the server hears this often that its backup is still wanted. */
const SIGN_MS = 4_000;
/** How long to wait before a leader is looked for again. */
const RETRY_MS = 200;
const MIB = 1_048_576;

/** One backup that a server has begun. */
interface Begun {
  readonly link: BackupLink;
  readonly id: number;
  readonly facts: BackupFacts;
}

/** @throws {CliError} with what it came to; no file is left then. */
export async function runBackup(this: CliContext, flags: ClientFlags, path: string): Promise<void> {
  await runTool(this, async (tool) => {
    const isPipe = path === "-";
    if (isPipe && tool.console.outIsTerminal) {
      throw new UsageError("a backup is no text for a terminal: name a file, or send it elsewhere");
    }
    if (path === "") throw new UsageError("the name of the file is empty");
    const startMs = performance.now();
    const file = isPipe
      ? asDurable(tool.console.out)
      : await withFile(() => createDurableFile(path));
    const progress = progressOf(tool, "MiB");
    try {
      const choice = await chooseServers(flags, tool.host);
      const { tls, credentials } = choice;
      const timeoutMs = timeoutMsOf(flags, tool.host);
      const options = { timeoutMs, signal: tool.signal, tls, credentials };
      const begun = await begin(tool, choice, options, progress);
      const said = await fetch(tool, begun, file, progress);
      progress.clear();
      const seconds = secondsText((performance.now() - startMs) / 1_000);
      tool.say(`${said}, in ${seconds}`);
    } catch (error) {
      progress.clear();
      throw backupFault(error, isPipe);
    } finally {
      file.close();
    }
  });
}

function backupFault(error: unknown, isPipe: boolean): unknown {
  const meaning = failureOf(error);
  if (!(meaning instanceof CliError) || meaning.message === "") return meaning;
  const left = isPipe ? "what came out is no backup" : "there is no backup, and no file is left";
  return new CliError(meaning.exit, `${meaning.message}; ${left}`, { cause: error });
}

/** Begins a backup on the best server that can give one, and waits until its contents are there. */
async function begin(
  tool: Tool,
  choice: ServerChoice,
  options: SourceOptions,
  progress: Progress,
): Promise<Begun> {
  const { indexMin, leader, followers } = await askLeader(tool, choice, options);
  const failures: string[] = [];
  let failure: unknown = null;
  for (const server of [...followers, leader]) {
    const link = new BackupLink(server, options);
    let id: number | null = null;
    try {
      const facts = await link.facts();
      id = await link.begin(indexMin);
      await awaitContents(tool, link, id, progress);
      return { link, id, facts };
    } catch (error) {
      if (id === null) link.close();
      else await link.end(id);
      tool.signal.throwIfAborted();
      if (!(error instanceof RaftkvError || error instanceof StillError)) throw error;
      failure = error;
      failures.push(visibleText(error.message.replace(/^RAFTKV\.BACKUP [a-z ]*by /, "")));
    }
  }
  const isRefused = failure instanceof Refused;
  const why = `no server gives a backup: ${failures.join("; ")}`;
  throw new CliError(isRefused ? EXIT.refused : EXIT.connection, why, { cause: failure });
}

/** A server takes its snapshot no further. */
class StillError extends Error {}

async function awaitContents(
  { signal }: Tool,
  link: BackupLink,
  id: number,
  progress: Progress,
): Promise<void> {
  let madeBytes = -1;
  let movedMs = performance.now();
  for (let lookMs = FIRST_LOOK_MS;; lookMs = Math.min(2 * lookMs, LOOK_MS)) {
    const state = await link.state(id);
    if (state.isReady) return;
    const nowMs = performance.now();
    if (state.madeBytes !== madeBytes) {
      madeBytes = state.madeBytes;
      movedMs = nowMs;
    } else if (nowMs - movedMs > STILL_MS) {
      const seconds = secondsText(STILL_MS / 1_000);
      throw new StillError(
        `${link.server} has got no further with its snapshot for ${seconds}: look at its log`,
      );
    }
    progress.show(0, null);
    await pause(lookMs, signal);
  }
}

interface Leader {
  /** All that was acknowledged before is at or before it. */
  readonly indexMin: number;
  readonly leader: string;
  /** Those that answer, the best first. */
  readonly followers: readonly string[];
}

/** Finds the leader, and what is committed by now; again where it changes, for as long as may be. */
async function askLeader(
  tool: Tool,
  choice: ServerChoice,
  options: SourceOptions,
): Promise<Leader> {
  const untilMs = performance.now() + options.timeoutMs;
  for (;;) {
    const { answers } = await askServers(tool, choice);
    let failure: unknown = null;
    const here = answers.filter(({ status }) => status !== null);
    const leads = here.find(({ status }) => status!.leaderId === status!.serverId);
    if (leads !== undefined) {
      const leader = serverText(leads.server);
      const link = new BackupLink(leader, options);
      try {
        const { appliedIndex, clusterId } = await link.confirmedFacts();
        const followers = followersOf(answers, clusterId, leads.status!.serverId);
        return { indexMin: appliedIndex, leader, followers: followers.map(serverText) };
      } catch (error) {
        if (!(error instanceof RaftkvError)) throw error;
        tool.signal.throwIfAborted();
        failure = error;
      } finally {
        link.close();
      }
    }
    if (performance.now() < untilMs) await pause(RETRY_MS, tool.signal);
    else if (failure !== null) throw failure;
    else if (here.length > 0) {
      const silent = clusterView(answers).findings.filter((one) => /does not answer/.test(one));
      const why = silent.length === 0 ? "none is known" : silent.join("; ");
      throw new CliError(EXIT.connection, `gave up while waiting for a leader: ${why}`);
    } else {
      const reasons = answers.map(({ server, failure }) => `${serverText(server)}: ${failure}`);
      const why = `no server could be reached (${reasons.join("; ")})`;
      throw new CliError(EXIT.connection, `gave up while connecting: ${visibleText(why)}`);
    }
  }
}

/** Takes all of it into `file`, each byte checked; says what it is. */
async function fetch(
  tool: Tool,
  { link, id, facts }: Begun,
  file: DurableFile,
  progress: Progress,
): Promise<string> {
  const sign = setInterval(() => link.state(id).catch(() => {}), SIGN_MS);
  try {
    const { index, term, takenMs, bytes } = await link.state(id);
    const { clusterId, serverId, hashSeed, version } = facts;
    const head = { clusterId, serverId, position: { index, term }, takenMs, hashSeed, version };
    const assembly = new BackupAssembly(head);
    await withFile(() => file.write(assembly.headBytes));
    let count = 0;
    // One is written while the next is awaited and checked.
    let writing = Promise.resolve();
    for await (const piece of link.pieces(id)) {
      tool.signal.throwIfAborted();
      assembly.add(piece);
      await writing;
      writing = withFile(() => file.write(piece));
      writing.catch(() => {});
      count += piece.length;
      progress.show(count / MIB, Math.min(1, count / bytes));
    }
    await writing;
    const end = assembly.finish();
    await withFile(() => file.write(end));
    await withFile(() => file.finish());
    const size = bytesText(assembly.headBytes.length + count + end.length);
    return `${counted(assembly.keys ?? 0, "key")} up to index ${index}, from server ${serverId}, ` +
      `${size}`;
  } catch (error) {
    if (!(error instanceof DataDirectoryError)) throw error;
    const why = `${link.server}: ${error.message}`;
    throw new CliError(EXIT.refused, visibleText(why), { cause: error });
  } finally {
    clearInterval(sign);
    await link.end(id);
  }
}
