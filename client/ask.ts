/** One request to one server, whoever leads: for what servers tell of themselves. */
import { keptRequest } from "./arguments.ts";
import { Call } from "./call.ts";
import type { AskOptions } from "./calls.ts";
import { Connection, type ConnectionEvents } from "./connection.ts";
import { credentialsIn } from "./credentials.ts";
import { type Phase, Refused } from "./errors.ts";
import { ASK_OPTIONS, checkNames, checkSignal } from "./options.ts";
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
  options: AskOptions = {},
): Promise<Reply> {
  checkNames(options, ASK_OPTIONS);
  const settings = toSettings({
    servers: [server],
    tls: options.tls,
    ...credentialsIn(options),
  });
  const { servers: [address], timeoutMs: usual } = settings;
  const signal = checkSignal(options.signal);
  const timeoutMs = checkTimeout("timeoutMs", options.timeoutMs, usual);
  const own = keptRequest(request);
  return new Promise((resolve, reject) => {
    let end = () => {};
    // "reply" once there is a connection: what is waited for is the server then.
    let phase: Phase = "connect";
    const call = new Call({
      requests: [own],
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
    // Sent alone: a server that lets nobody in has then surely done nothing.
    const greeting = new Call({
      requests: [settings.greeting],
      name: call.name,
      isWrite: false,
      deadlineMs: Infinity,
      timeoutMs,
      signal: undefined,
      decode: (reply) => reply,
      resolve: () => connection.send(call),
      // Some requests are for who can't say who he is; the server answers any other with the same.
      reject: (error) => {
        if (error instanceof Refused && error.code === "NOAUTH") connection.send(call);
        else call.reject(error);
      },
    });
    const events = eventsOf(call, address!, () => phase);
    const connection = new Connection(address!, settings, events, () => {
      phase = "reply";
      connection.send(greeting);
    });
    const timer = setTimeout(() => {
      const why = `${address} did not answer within ${Math.round(timeoutMs)} ms`;
      call.giveUp("deadline", why, phase);
    }, timeoutMs);
    end = () => {
      clearTimeout(timer);
      connection.close("");
    };
  });
}

function eventsOf(call: Call, address: string, phase: () => Phase): ConnectionEvents {
  return {
    answered: (answered, reply) => {
      if (reply instanceof ReplyError) answered.refuse(reply.text);
      else answered.resolve(reply);
    },
    ended: (_connection, { why, cause }) => {
      call.giveUp("lost", `${address}: ${why}`, phase(), cause ?? undefined);
    },
  };
}
