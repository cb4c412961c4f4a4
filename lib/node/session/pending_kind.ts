/** What a connection's command waits for, until it is answered. */
export const PendingKind = {
  /** In the log, or gathered for it. */
  write: 1,
  /** A read of the leader's store. */
  read: 2,
  /** Decided without the store: its error says how. */
  refused: 3,
  /** Answered by the codec, without the store. */
  local: 4,
  /** A read of the store as it is, which no round confirms. */
  staleRead: 5,
  /** Waiting for a leader to be known: its action says what becomes of it then. */
  held: 6,
  /** A question to the node, which waits for its turn and its round. */
  question: 7,
  /** It was asked, and the node has not answered. */
  asked: 8,
  /** A name and a password, until its turn comes. */
  authenticate: 9,
  /** It is being decided who they are. */
  authenticating: 10,
  /** It was sent to the server that leads. */
  forwarded: 11,
} as const;
export type PendingKind = typeof PendingKind[keyof typeof PendingKind];

/** True where a command of this kind, until it is evaluated, has its bytes in `readBytes`. */
export function hasBytes(kind: number): boolean {
  return kind === PendingKind.read || kind === PendingKind.local ||
    kind === PendingKind.staleRead || kind === PendingKind.held || kind === PendingKind.question ||
    kind === PendingKind.authenticate || kind === PendingKind.forwarded;
}

/** True where the next command waits for the log, a leader or an answer of the node. */
export function waitsForOthers(kind: number): boolean {
  return kind === PendingKind.write || kind === PendingKind.held || kind === PendingKind.asked ||
    kind === PendingKind.authenticating || kind === PendingKind.forwarded;
}

/** True where the node is to be asked about the next command. */
export function isDecidedByNode(kind: number): boolean {
  return kind === PendingKind.question || kind === PendingKind.authenticate;
}

/** True where only a leader can answer, this server, and has not. */
export function waitsForLeader(kind: number): boolean {
  return kind === PendingKind.write || kind === PendingKind.question ||
    kind === PendingKind.asked;
}
