/**
 * What a failed call means for the person and for the exit code: where it was given up, and whether it
 * was done.
 */
import { type Phase, RaftkvError, Refused, Unknown } from "../../../client/mod.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { visibleText } from "../output/escape.ts";

const PHASES: Readonly<Record<Phase, (server: string | null) => string>> = {
  connect: (server) => server === null ? "connecting" : `connecting to ${server}`,
  leader: () => "waiting for a leader",
  queue: () => "waiting for its turn",
  reply: (server) => `waiting for the answer of ${server ?? "the leader"}`,
};

/**
 * The same error for the command line; what is no failure of a call is given back as it is. `isCluster`: it
 * is the cluster's, and not of something else that was asked.
 */
export function failureOf(error: unknown, isCluster = true): unknown {
  if (!(error instanceof RaftkvError)) return error;
  // What the call was, the person has just typed.
  const said = visibleText(
    error.message.replace(/^[A-Z.]+ failed: /, "")
      // Why members are not changed is a sentence of its own.
      .replace(/^RAFTKV\.(MEMBER|LEADER)( [A-Z]+)? was refused by \S+: ERR /, ""),
  );
  if (error instanceof Unknown) return new CliError(EXIT.unknown, said, { cause: error });
  if (error instanceof Refused) {
    const meant = (isCluster ? askedByNobody(error) : null) ?? unknownThere(said, error) ?? said;
    return new CliError(EXIT.refused, meant, { cause: error });
  }
  const isResolving = error.phase === "connect" && allUnknownNames(said);
  const where = isResolving ? "resolving names" : PHASES[error.phase](error.server);
  return new CliError(EXIT.connection, `gave up while ${where}: ${said}`, { cause: error });
}

/** The server's own words are about HELLO, which nobody has typed. */
function askedByNobody({ code, server }: Refused): string | null {
  if (code !== "NOAUTH") return null;
  return `refused by ${server ?? "the leader"} (NOAUTH): the cluster has users, so say who asks: ` +
    "--user, and its password (--help)";
}

/** During an upgrade an earlier build may lead, which does not know what this command line sends. */
function unknownThere(said: string, { server }: Refused): string | null {
  const name = /unknown command '([\w.]{1,64})'/i.exec(said)?.[1];
  if (name === undefined) return null;
  return `${
    server ?? "the server that leads"
  } does not know ${name}, so it runs an earlier build: ` +
    "finish the upgrade (raftkv check says where); nothing was done";
}

/** `no server could be reached within 5000 ms (a:9000: …: no such host; b:9000: …)`: for none of them. */
function allUnknownNames(said: string): boolean {
  const servers = said.match(/can't be reached/g)?.length ?? 0;
  return servers > 0 && said.match(/no such host/g)?.length === servers;
}
