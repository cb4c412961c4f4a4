/** The command line, or an environment variable that stands for a flag, is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
