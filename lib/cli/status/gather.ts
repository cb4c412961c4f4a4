/** Asks all servers at the same time, those that were named and those that they name. */
import { type ServerAddress, serverText } from "../client_ports.ts";
import { readStatus, type StatusReply } from "./read_status.ts";

/** What became of the question to one server. */
export interface Answer {
  readonly server: ServerAddress;
  readonly status: StatusReply | null;
  /** Why there is none, as half a sentence; null where there is one. */
  readonly failure: string | null;
  /** When the question went out and the answer came, by this machine's wall clock. */
  readonly askedMs: number;
  readonly answeredMs: number;
}

/** Sends RAFTKV.STATUS to one server; rejects, in words, where no answer comes in time. */
export type AskStatus = (server: ServerAddress, timeoutMs: number) => Promise<string>;

/** Everything is over by then, so that the whole command takes at most 1.5 s. */
export const ANSWER_MS = 1_000;
/** Servers that nobody named are asked too, at most so many in all. */
const SERVERS_MAX = 100;

/** The answers in the order of `servers`, then of those that were found through them. */
export async function gather(
  servers: readonly ServerAddress[],
  ask: AskStatus,
  timeoutMs = ANSWER_MS,
): Promise<Answer[]> {
  const deadlineMs = performance.now() + timeoutMs;
  const answers: Answer[] = [];
  const asked = new Map<string, Promise<void>>();
  const askOnce = (server: ServerAddress): void => {
    const name = serverText(server);
    if (asked.has(name) || asked.size >= SERVERS_MAX) return;
    const place = asked.size;
    asked.set(
      name,
      askOne(server, ask, deadlineMs - performance.now()).then((answer) => {
        answers[place] = answer;
        for (const { hostname, clientPort } of answer.status?.servers ?? []) {
          askOnce({ hostname, port: clientPort });
        }
      }),
    );
  };
  for (const server of servers) askOnce(server);
  // Every answer may have added questions.
  for (let count = -1; count < asked.size;) {
    count = asked.size;
    await Promise.all(asked.values());
  }
  return answers;
}

async function askOne(server: ServerAddress, ask: AskStatus, timeoutMs: number): Promise<Answer> {
  const askedMs = Date.now();
  let status: StatusReply | null = null;
  let failure: string | null = null;
  try {
    status = readStatus(await ask(server, Math.max(1, timeoutMs)));
  } catch (error) {
    failure = (error as Error).message;
  }
  return { server, status, failure, askedMs, answeredMs: Date.now() };
}
