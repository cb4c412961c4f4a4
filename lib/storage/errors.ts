/** Thrown where a data directory can't be used as it is. The message is for people. */
export class DataDirectoryError extends Error {
  override readonly name = "DataDirectoryError";
}

/** The file is whole, and another's: of another server, cluster, or version. No damage. */
export class ForeignFileError extends DataDirectoryError {}

/** A snapshot that does not check out; `offset` is the byte of the file where the section begins. */
export class SnapshotDamageError extends DataDirectoryError {
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

/**
 * A backup that does not check out: the bytes `from` to `to` (exclusive) of the file are the first that
 * can't be what was written.
 */
export class BackupDamageError extends DataDirectoryError {
  readonly from: number;
  readonly to: number;

  constructor(message: string, from: number, to: number) {
    super(message);
    this.from = from;
    this.to = to;
  }
}
