/** One server as `raftkv backup` uses it: `RAFTKV.BACKUP` by a connection of its own. */
import { Link, type Reply } from "../../../client/mod.ts";
import { type BackupFacts, type BackupState, LATER } from "../../wire/backup.ts";

/** So many pieces are asked for ahead: what this process holds of them at most. */
const PIECES_AHEAD = 8;
/** How long to wait where the server has not written more yet. */
const EARLY_PAUSE_MS = 4;
const NUMBER_MAX = Number.MAX_SAFE_INTEGER;

export interface SourceOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export class BackupLink {
  readonly server: string;
  readonly #link: Link;

  constructor(server: string, options: SourceOptions) {
    this.server = server;
    this.#link = new Link(server, options);
  }

  /**
   * What the leader has applied once a read round that begins now is confirmed: all that was
   * acknowledged before. @throws {RaftkvError} `Refused` where it does not lead.
   */
  async confirmedFacts(): Promise<BackupFacts> {
    // Answered in their order: so the second speaks of a moment after the round.
    const round = this.#link.request(["DBSIZE"]);
    const facts = this.#link.request(["RAFTKV.BACKUP", "INDEX"]);
    const [, reply] = await Promise.all([round, facts]);
    return readFacts(this.server, reply);
  }

  async facts(): Promise<BackupFacts> {
    return readFacts(this.server, await this.#link.request(["RAFTKV.BACKUP", "INDEX"]));
  }

  /** @throws {RaftkvError} `Refused` with TRYAGAIN where others take as many as may be. */
  async begin(indexMin: number): Promise<number> {
    return numberOf(
      this.server,
      await this.#link.request(["RAFTKV.BACKUP", "BEGIN", `${indexMin}`]),
    );
  }

  async state(id: number): Promise<BackupState> {
    const reply = await this.#link.request(["RAFTKV.BACKUP", "STATE", `${id}`]);
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
      const piece = this.#link.request(["RAFTKV.BACKUP", "READ", `${id}`]);
      // It is looked at when its turn comes; until then a failure is nobody's fault.
      piece.catch(() => {});
      return piece;
    };
    let asked = Array.from({ length: PIECES_AHEAD }, ask);
    let isEarly = false;
    for (;;) {
      const piece = await asked.shift()!;
      if (piece instanceof Uint8Array) {
        if (piece.length === 0) return;
        if (!isEarly) asked.push(ask());
        yield piece;
      } else if (piece === LATER) isEarly = true;
      else throw strange(this.server);
      // What was asked too early is answered first: else there would be a pause for each.
      if (asked.length > 0) continue;
      await new Promise((resolve) => setTimeout(resolve, EARLY_PAUSE_MS));
      isEarly = false;
      asked = Array.from({ length: PIECES_AHEAD }, ask);
    }
  }

  /** Tells the server that the backup is not needed any more, if it still hears. */
  end(id: number): void {
    this.#link.request(["RAFTKV.BACKUP", "END", `${id}`]).catch(() => {}).finally(() =>
      this.close()
    );
  }

  close(): void {
    this.#link.close();
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
