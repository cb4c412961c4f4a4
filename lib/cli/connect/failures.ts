/** What a failed call means for the person and for the exit code: where it was given up, and whether it was done. */
import { type Phase, RaftkvError, Refused, Unknown } from "../../../client/mod.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { visibleText } from "../output/escape.ts";

const PHASES: Readonly<Record<Phase, (server: string | null) => string>> = {
  connect: (server) => `connecting to ${server ?? "a server"}`,
  leader: () => "waiting for a leader",
  queue: () => "waiting for its turn",
  reply: (server) => `waiting for the answer of ${server ?? "the leader"}`,
};

/** The same error for the command line; what is no failure of a call is given back as it is. */
export function failureOf(error: unknown): unknown {
  if (!(error instanceof RaftkvError)) return error;
  const said = visibleText(error.message);
  if (error instanceof Unknown) return new CliError(EXIT.unknown, said, { cause: error });
  if (error instanceof Refused) return new CliError(EXIT.refused, said, { cause: error });
  const where = PHASES[error.phase](error.server);
  return new CliError(EXIT.connection, `gave up while ${where}: ${said}`, { cause: error });
}
