/** How soon a client sends its next write: log/group_commit.ts decides by it whom to wait for. */
export class ClientPace {
  /** The group in whose time its last write was answered, and the one it is awaited in. */
  answeredIn = -2;
  awaitedIn = -2;
  /** After its last answer it sent the next write at once. */
  isPrompt = false;
}
