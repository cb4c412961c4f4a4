/** One request to one server, whoever leads: for what servers tell of themselves. */
import { keptRequest } from "./arguments.ts";
import { Call } from "./call.ts";
import type { CallOptions } from "./calls.ts";
import { Connection, type ConnectionEvents } from "./connection.ts";
import { CALL_OPTIONS, checkNames, checkSignal } from "./options.ts";
import { type Reply, ReplyError } from "./reply_parser.ts";
import type { Argument } from "./request_writer.ts";
import { checkTimeout, toSettings } from "./settings.ts";

/**
 * Connects to `server`, sends one request in version 3 of the Redis protocol (`["INFO"]`), and gives the
 * reply. Strings of any length come as bytes, numbers as bigints where they would not be exact.
 * @throws {TypeError} where the address, or the request, is none.
 * @throws {NotDone} where the server can't be reached, or refuses it (`Refused`).
 * @throws {Unknown} where it was sent and no reply came by `timeoutMs`.
 */
export function ask(
  server: string,
  request: readonly Argument[],
  options: CallOptions = {},
): Promise<Reply> {
  const { servers: [address], replyBytesMax, timeoutMs: usual } = toSettings({ servers: [server] });
  checkNames(options, CALL_OPTIONS);
  const signal = checkSignal(options.signal);
  const timeoutMs = checkTimeout("timeoutMs", options.timeoutMs, usual);
  const own = keptRequest(request);
  return new Promise((resolve, reject) => {
    let end = () => {};
    const call = new Call({
      requests: [["HELLO", "3"], own],
      name: String(request[0]),
      isWrite: true,
      deadlineMs: Infinity,
      timeoutMs,
      signal,
      decode: (reply) => reply,
      resolve: (reply) => {
        end();
        resolve(reply as Reply);
      },
      reject: (error) => {
        end();
        reject(error);
      },
    });
    if (call.isSettled) return;
    const events = eventsOf(call, address!);
    const connection = new Connection(address!, { replyBytesMax }, events, () => {
      connection.send(call);
    });
    const timer = setTimeout(() => {
      const why = `${address} did not answer within ${Math.round(timeoutMs)} ms`;
      call.giveUp("deadline", why, "connect");
    }, timeoutMs);
    end = () => {
      clearTimeout(timer);
      connection.close("");
    };
  });
}

function eventsOf(call: Call, address: string): ConnectionEvents {
  return {
    answered: (_call, reply) => {
      const error = call.problem ?? (reply instanceof ReplyError ? reply : null);
      if (error === null) call.resolve(reply);
      else call.refuse(error.text);
    },
    ended: (_connection, { why, cause }) => {
      call.giveUp("lost", `${address}: ${why}`, "connect", cause ?? undefined);
    },
  };
}
