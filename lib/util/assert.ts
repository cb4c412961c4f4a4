/** Thrown where an invariant of this program does not hold: a bug here, never an input's fault. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/**
 * Stops the server where an invariant is broken. Assertions stay on in production: a server that
 * continues after one may damage what the others hold.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/**
 * The same for paths that run for each command, as `if (!holds) broken(...)`: `assert` would put its
 * message together each time, also where nobody reads it.
 */
export function broken(message: string): never {
  throw new AssertionError(message);
}

/** Marks a branch that the types say can't be reached. */
export function unreachable(value: never): never {
  throw new AssertionError(`Unreachable value: ${JSON.stringify(value)}`);
}
