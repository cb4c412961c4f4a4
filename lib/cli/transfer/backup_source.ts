/** One server as `raftkv backup` uses it: `RAFTKV.BACKUP` by a connection of its own. */
import { type Argument, Link, type Reply, type TlsOptions } from "../../../client/mod.ts";
import type { Credentials } from "../connect/credentials.ts";
import { type BackupFacts, type BackupState, LATER } from "../../wire/backup.ts";

/** So many pieces are asked for ahead: what this process holds of them at most. */
const PIECES_AHEAD = 4;
/** How long to wait where the server has not written more yet. */
const EARLY_PAUSE_MS = 8;
/** How long to wait for a server to hear that a backup is not needed any more: it may be down. */
const END_MS = 500;
const NUMBER_MAX = Number.MAX_SAFE_INTEGER;

export interface SourceOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly tls: TlsOptions | undefined;
  readonly credentials: Credentials | undefined;
}

export class BackupLink {
  readonly server: string;
  readonly #link: Link;
  readonly #signal: AbortSignal;

  constructor(server: string, { timeoutMs, signal, tls, credentials }: SourceOptions) {
    this.server = server;
    // Once the signal is given, the server still has to hear that the backup is not needed any more.
    this.#link = new Link(server, { timeoutMs, tls, ...credentials });
    this.#signal = signal;
  }

  /**
   * What the leader has applied once a read round that begins now is confirmed: all that was
   * acknowledged before. @throws {RaftkvError} `Refused` where it does not lead.
   */
  async confirmedFacts(): Promise<BackupFacts> {
    // Answered in their order: so the second speaks of a moment after the round.
    const round = this.#ask(["DBSIZE"]);
    const facts = this.#ask(["RAFTKV.BACKUP", "INDEX"]);
    const [, reply] = await Promise.all([round, facts]);
    return readFacts(this.server, reply);
  }

  async facts(): Promise<BackupFacts> {
    return readFacts(this.server, await this.#ask(["RAFTKV.BACKUP", "INDEX"]));
  }

  /** @throws {RaftkvError} `Refused` with TRYAGAIN where others take as many as may be. */
  async begin(indexMin: number): Promise<number> {
    return numberOf(
      this.server,
      await this.#ask(["RAFTKV.BACKUP", "BEGIN", `${indexMin}`]),
    );
  }

  async state(id: number): Promise<BackupState> {
    const reply = await this.#ask(["RAFTKV.BACKUP", "STATE", `${id}`]);
    const [word, ...numbers] = listOf(this.server, reply, 6);
    const [index, term, takenMs, bytes, madeBytes] = numbers.map((one) =>
      numberOf(this.server, one)
    ) as [number, number, number, number, number];
    const isReady = textOf(this.server, word) === "ready";
    return { isReady, index, term, takenMs, bytes, madeBytes };
  }

  /** All of the contents, piece by piece. */
  async *pieces(id: number): AsyncGenerator<Uint8Array, void, undefined> {
    const ask = () => {
      const piece = this.#ask(["RAFTKV.BACKUP", "READ", `${id}`]);
      // It is looked at when its turn comes; until then a failure is nobody's fault.
      piece.catch(() => {});
      return piece;
    };
    const asked: Promise<Reply>[] = [];
    let ahead = PIECES_AHEAD;
    for (;;) {
      while (asked.length < ahead) asked.push(ask());
      const piece = await asked.shift()!;
      if (piece instanceof Uint8Array) {
        if (piece.length === 0) return;
        ahead = Math.min(PIECES_AHEAD, 2 * Math.max(1, ahead));
        yield piece;
      } else if (piece === LATER) ahead = 0;
      else throw strange(this.server);
      // What was asked too early is answered first: else there would be a pause for each.
      if (ahead > 0 || asked.length > 0) continue;
      await new Promise((resolve) => setTimeout(resolve, EARLY_PAUSE_MS));
      ahead = 1;
    }
  }

  /**
   * Tells the server that the backup is not needed any more, if it still hears, and closes: else it would
   * be one of the few that the server gives at a time until nobody has asked for it for a while.
   */
  async end(id: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined = undefined;
    const told = this.#link.request(["RAFTKV.BACKUP", "END", `${id}`]).catch(() => {});
    const late = new Promise((resolve) => timer = setTimeout(resolve, END_MS));
    await Promise.race([told, late]);
    clearTimeout(timer);
    this.close();
  }

  close(): void {
    this.#link.close();
  }

  /** As `Link.request`; ends at once with the signal's reason. */
  #ask(args: readonly Argument[]): Promise<Reply> {
    const signal = this.#signal;
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const onAbort = () => reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      this.#link.request(args).then(resolve, reject)
        .finally(() => signal.removeEventListener("abort", onAbort));
    });
  }
}

function readFacts(server: string, reply: Reply): BackupFacts {
  const [clusterId, serverId, appliedIndex, version, hashSeed, keys] = listOf(server, reply, 6);
  const id = textOf(server, clusterId);
  if (!/^[0-9a-f]{32}$/.test(id)) throw strange(server);
  return {
    clusterId: id,
    serverId: numberOf(server, serverId),
    appliedIndex: numberOf(server, appliedIndex),
    version: textOf(server, version),
    hashSeed: numberOf(server, hashSeed),
    keys: numberOf(server, keys),
  };
}

function listOf(server: string, reply: Reply, length: number): readonly Reply[] {
  if (Array.isArray(reply) && reply.length >= length) return reply;
  throw strange(server);
}

function numberOf(server: string, reply: Reply | undefined): number {
  if (typeof reply === "number" && reply >= 0 && reply <= NUMBER_MAX) return reply;
  throw strange(server);
}

function textOf(server: string, reply: Reply | undefined): string {
  if (reply instanceof Uint8Array && reply.length <= 1_000) return new TextDecoder().decode(reply);
  throw strange(server);
}

function strange(server: string): Error {
  return new Error(`what ${server} answers is no backup: is it a raftkv server?`);
}
