/**
 * Reads traces of servers' system calls (`strace -f -ttt -T -y`) and says of each acknowledged write
 * on which servers it was synced before its reply left. A write is known by a token in its value,
 * which shows in the request, in each server's log and nowhere else.
 */

/** One system call; seconds since 1970 by the machine's clock, the same for all servers on it. */
export interface TracedCall {
  readonly name: string;
  readonly startS: number;
  readonly endS: number;
  /** What the call works on: a path, or a socket. */
  readonly target: string;
  /** The arguments, bytes as strace shows them. */
  readonly text: string;
  readonly result: number;
}

/** `123 1700000000.000001 write(7</data/1/log>, "…", 5) = 5 <0.000012>`, whole or in two halves. */
const LINE = /^(\d+) +(\d+\.\d+) (.*)$/;
const UNFINISHED = / <unfinished \.\.\.>$/;
const RESUMED = /^<\.\.\. \w+ resumed>/;
const WHOLE = /^(\w+)\((.*)\)? += (-?\d+).*?<(\d+\.\d+)>$/;
const TARGET = /^\d+<((?:[^>\\]|->|\\.)*)>/;

export function parseTrace(text: string): TracedCall[] {
  const calls: TracedCall[] = [];
  const begun = new Map<string, { readonly startS: number; readonly text: string }>();
  for (const line of text.split("\n")) {
    const [, thread, time, rest] = LINE.exec(line) ?? [];
    if (thread === undefined || time === undefined || rest === undefined) continue;
    if (UNFINISHED.test(rest)) {
      begun.set(thread, { startS: Number(time), text: rest.replace(UNFINISHED, "") });
      continue;
    }
    const first = RESUMED.test(rest) ? begun.get(thread) : { startS: Number(time), text: "" };
    if (first === undefined) continue; // it had begun before the trace
    const [, name, args, result, tookS] = WHOLE.exec(first.text + rest.replace(RESUMED, "")) ?? [];
    if (name === undefined || args === undefined) continue;
    calls.push({
      name,
      startS: first.startS,
      endS: first.startS + Number(tookS),
      target: TARGET.exec(args)?.[1] ?? "",
      text: args,
      result: Number(result),
    });
  }
  return calls;
}

const isRead = ({ name }: TracedCall) => /^(?:read|readv|recvfrom|recvmsg)$/.test(name);
const isWrite = ({ name }: TracedCall) =>
  /^(?:write|writev|pwrite64|pwritev2?|sendto|sendmsg)$/.test(name);
const isSync = ({ name, result }: TracedCall) => /^f(?:data)?sync$/.test(name) && result === 0;
const isSocket = ({ target }: TracedCall) => /^(?:TCP|socket)/.test(target);

export interface ServerTrace {
  readonly id: number;
  readonly calls: readonly TracedCall[];
}

export interface WriteFinding {
  readonly token: string;
  /** From the request's arrival until the reply was handed to the system. */
  readonly replyAfterMs: number;
  /** By server that has it on its disk: how long before the reply the sync was over. */
  readonly syncedBeforeReplyMs: ReadonlyMap<number, number>;
}

/**
 * Looks for one write in the traces. Its reply is the first thing that the leader sent to the same
 * socket behind the request. A server has it on its disk once a sync of that very file has ended that
 * began after the write of the token had ended.
 * @throws {Error} where request or reply is not in the leader's trace.
 */
export function examineWrite(
  token: string,
  leader: ServerTrace,
  servers: readonly ServerTrace[],
): WriteFinding {
  const request = leader.calls.find((call) =>
    isRead(call) && isSocket(call) && call.text.includes(token)
  );
  const reply = request &&
    leader.calls.find((call) =>
      isWrite(call) && call.target === request.target && call.startS >= request.endS
    );
  if (request === undefined || reply === undefined) {
    throw new Error(`The leader's trace has no ${request ? "reply" : "request"} with ${token}`);
  }
  const synced = new Map<number, number>();
  for (const { id, calls } of servers) {
    const record = calls.find((call) =>
      isWrite(call) && !isSocket(call) && call.text.includes(token)
    );
    const sync = record &&
      calls.find((call) =>
        isSync(call) && call.target === record.target && call.startS >= record.endS
      );
    if (sync !== undefined && sync.endS <= reply.startS) {
      synced.set(id, (reply.startS - sync.endS) * 1_000);
    }
  }
  return {
    token,
    replyAfterMs: (reply.startS - request.endS) * 1_000,
    syncedBeforeReplyMs: synced,
  };
}
