/** What a client of the Redis protocol reads where its command was not done. */
import { ClientError } from "../command_batch.ts";
import { NO_USERS } from "./resp_authentication.ts";
import { CLUSTER_DOWN, REMOVED } from "./resp_cluster.ts";

const encoder = new TextEncoder();

/** The words for what is not a command's own result. What follows MOVED is added to it. */
const ERRORS: Readonly<Record<ClientError, string>> = {
  [ClientError.redirect]: CLUSTER_DOWN,
  [ClientError.noLeader]: CLUSTER_DOWN,
  [ClientError.removed]: REMOVED,
  [ClientError.leaderTooOld]:
    "-CLUSTERDOWN The leader runs a build that takes no forwarded commands: nothing was done, " +
    "update it, or turn to its client port",
  [ClientError.busy]: "-TRYAGAIN This server is busy: nothing was done, try again later",
  [ClientError.overRate]:
    "-BUSY beyond limits.perAddress or limits.perUser for too long: nothing was done, send less",
  [ClientError.tooManyOfUser]:
    "-ERR max number of clients reached for this user: limits.perUser.connectionsMax bounds it",
  [ClientError.noSpace]:
    "-MISCONF The disk is full: nothing was done, reads and deletes continue, others wait for room",
  [ClientError.command]: "-ERR this can't be done",
  [ClientError.hint]: "-ERR this can't be done",
  [ClientError.tooMuch]:
    "-ERR this transaction would rewrite more than 64 MiB of values: nothing was done, " +
    "change fewer large values at a time",
  [ClientError.tooMuchToJudge]:
    "-ERR too many keys to be compared with all patterns of this user: nothing was done, " +
    "send fewer at a time",
  [ClientError.timeout]:
    "-ERR outcome unknown: the command is in the log and was not confirmed in time, " +
    "it may be done or not",
  [ClientError.internal]: "-ERR outcome unknown: this server has failed, it may be done or not",
  [ClientError.loading]: "-LOADING This server has nothing yet: nothing was read, try another one",
  [ClientError.clusterVersion]:
    "-ERR not before the cluster version is raised, which waits until every server runs a build " +
    "that knows this command: nothing was done, see raftkv check",
  [ClientError.notAuthenticated]: "-NOAUTH Authentication required.",
  [ClientError.notPermitted]: "-NOPERM this user has no permissions to run this command",
  [ClientError.notPermittedKey]:
    "-NOPERM this user has no permissions to access one of the keys used as arguments",
  [ClientError.notPermittedChannel]:
    "-NOPERM this user has no permissions to access one of the channels used as arguments",
  [ClientError.wrongPassword]: "-WRONGPASS invalid username-password pair or user is disabled.",
  [ClientError.noUsers]: NO_USERS,
  [ClientError.discarded]: "-EXECABORT Transaction discarded because of previous errors.",
};
const LINES = new Map<number, Uint8Array>();
for (const [error, line] of Object.entries(ERRORS)) {
  LINES.set(Number(error), encoder.encode(`${line}\r\n`));
}

/** The words as bytes, each with its line end. */
export const ERROR_LINES: ReadonlyMap<number, Uint8Array> = LINES;
