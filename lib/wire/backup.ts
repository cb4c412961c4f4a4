/** What a server gives to whoever takes a backup of it: `RAFTKV.BACKUP`, docs/backup.md. */

/** The answer of a backup whose next piece is not written yet. */
export const LATER = "LATER";

/** What is known before anything is taken. */
export interface BackupFacts {
  readonly clusterId: string;
  readonly serverId: number;
  /** All entries up to here are in this server's store. */
  readonly appliedIndex: number;
  /** Of raftkv. */
  readonly version: string;
  /** Of the digest of the contents. */
  readonly hashSeed: number;
  readonly keys: number;
}

/** How far a backup has come. */
export interface BackupState {
  /** Its contents can be read, as far as they are made; of the other fields all but two are 0 before. */
  readonly isReady: boolean;
  readonly index: number;
  readonly term: number;
  /** When its contents were fixed, ms since 1970. */
  readonly takenMs: number;
  /** How long the contents are; about, until all of them are made. */
  readonly bytes: number;
  /** Of these, how many are there. */
  readonly madeBytes: number;
}

export interface BackupSource {
  facts(): BackupFacts;
  /** Begins one of at least this index; its number. Null where as many as may be are under way. */
  begin(indexMin: number): number | null;
  /** Null where there is no such backup, or not any more. */
  state(id: number): BackupState | null;
  /**
   * The next bytes, good until the next call; none at the end. Null where there is no such backup, or not
   * any more.
   */
  next(id: number): Uint8Array | typeof LATER | null;
  /** It is not needed any more. */
  end(id: number): void;
}
