/** What a command came to. One `Result` is reused for command after command: copy what you keep. */
export const Status = {
  /** A set or cas was done; `version` is the key's new one. */
  stored: 1,
  /** A read found the key: `version`, `deadlineMs`, and the value's place. */
  found: 2,
  deleted: 3,
  /** No such key, or its time has come. */
  notFound: 4,
  /** A cas met another version. */
  versionDiffers: 5,
} as const;
export type Status = typeof Status[keyof typeof Status];

export class Result {
  status: Status = Status.notFound;
  version = 0;
  /** When the key expires, ms since 1970; 0 for never. */
  deadlineMs = 0;
  /** The value is `bytes[offset, offset + length)`: valid until the store's next call. */
  bytes: Uint8Array = EMPTY;
  offset = 0;
  length = 0;
}

const EMPTY = new Uint8Array(0);
