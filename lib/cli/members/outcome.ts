/** What a change of members that was cut off has come to, for the person. */
import { failureOf } from "../connect/failures.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import type { Tool } from "../tool.ts";

/** The same failure, and what the person has to know besides. */
export function failureWith(
  error: unknown,
  { signal }: Pick<Tool, "signal">,
  more: string,
): unknown {
  if (signal.aborted) {
    return new CliError(EXIT.interrupted, `interrupted; ${more}`, { cause: error });
  }
  const meaning = failureOf(error);
  if (!(meaning instanceof CliError)) return meaning;
  const said = meaning.message.replace(/; nothing was done, so it may be called again$/, "");
  return new CliError(meaning.exit, `${said}; ${more}`, { cause: error });
}
