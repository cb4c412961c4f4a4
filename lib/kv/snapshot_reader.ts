/** From the records of a snapshot (snapshot.ts has their bytes) back to a store. */
import { ByteFormatError, ByteReader } from "../util/bytes.ts";
import { Contents } from "./memory/contents.ts";
import { Digest } from "./memory/digest.ts";
import { NO_REF } from "./memory/slabs.ts";
import { readRecord, type RecordFields } from "./record_check.ts";
import { LoadedScripts } from "./scripts/loaded_scripts.ts";
import { ClientSessions } from "./sessions/client_sessions.ts";
import type { SnapshotHead } from "./snapshot.ts";
import { Store, type StoreOptions } from "./store.ts";
import { Users } from "./users/users.ts";

/** Builds a store from a snapshot's records. The bytes may come from anywhere: all is checked. */
export class SnapshotReader {
  readonly #options: StoreOptions;
  readonly #head: SnapshotHead;
  readonly #contents: Contents;
  readonly #fields: RecordFields = { version: 0, index: 0, deadlineMs: 0, start: 0 };
  readonly #userPieces: Generator<number, Users, void>;
  readonly #sessionPieces: Generator<number, ClientSessions, void>;
  readonly #scriptPieces: Generator<number, LoadedScripts, void>;
  #users: Users | null = null;
  #clientSessions: ClientSessions | null = null;
  #loadedScripts: LoadedScripts | null = null;

  constructor(options: StoreOptions, head: SnapshotHead) {
    this.#options = options;
    this.#head = head;
    this.#contents = new Contents(options.hashSeed, options.capacityHint ?? 0);
    this.#userPieces = Users.decodeInPieces(head.users, head.index);
    this.#sessionPieces = ClientSessions.decodeInPieces(head.clientSessions);
    this.#scriptPieces = LoadedScripts.decodeInPieces(head.loadedScripts, head.index);
  }

  /**
   * Takes in a piece of the users, client sessions and scripts, which are in the snapshot's head; how many
   * bytes it had, 0 where all are taken in. Throws `ByteFormatError` where they are none.
   */
  addHead(): number {
    if (this.#users === null) {
      const piece = this.#userPieces.next();
      if (piece.done !== true) return piece.value;
      this.#users = piece.value;
    }
    if (this.#clientSessions === null) {
      const piece = this.#sessionPieces.next();
      if (piece.done !== true) return piece.value;
      this.#clientSessions = piece.value;
    }
    if (this.#loadedScripts === null) {
      const piece = this.#scriptPieces.next();
      if (piece.done !== true) return piece.value;
      this.#loadedScripts = piece.value;
    }
    return 0;
  }

  /** Takes in whole records. Throws `ByteFormatError` where they are none. */
  add(bytes: Uint8Array): void {
    const reader = new ByteReader(bytes);
    const contents = this.#contents;
    const fields = this.#fields;
    while (reader.remaining > 0) {
      const keyLength = readRecord(reader, this.#head.index, fields);
      const { start } = fields;
      const hash = contents.hash(bytes, start, keyLength);
      if (contents.find(hash, bytes, start, keyLength) !== NO_REF) {
        throw new ByteFormatError("A key is twice in the snapshot");
      }
      contents.put(NO_REF, hash, bytes, start, keyLength, reader.offset, fields);
    }
  }

  /**
   * The store, with the snapshot's position: takes in what is left of its head. Throws where records, users,
   * client sessions or scripts are missing or differ.
   */
  finish(): Store {
    const head = this.#head;
    const contents = this.#contents;
    const { table } = contents;
    while (this.addHead() > 0);
    const users = this.#users!;
    const clientSessions = this.#clientSessions!;
    const loadedScripts = this.#loadedScripts!;
    const digest = new Digest();
    digest.setSum(contents.digest, users, clientSessions, loadedScripts);
    if (table.length !== head.keys) {
      throw new ByteFormatError(`The snapshot has ${table.length} of ${head.keys} keys`);
    }
    if (digest.toString() !== head.digest) {
      throw new ByteFormatError("The snapshot's records don't have the digest that it names");
    }
    return new Store(this.#options, { contents, users, clientSessions, loadedScripts, head });
  }
}
