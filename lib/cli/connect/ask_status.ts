/**
 * One question to one server: RAFTKV.STATUS, over a connection of its own. Every server answers it
 * itself, so nothing is followed anywhere; what failed is said with the phase in which it did.
 */
import type { Connection, Transport } from "../../host/ports.ts";
import type { ServerAddress } from "./servers.ts";

const QUESTION = new TextEncoder().encode("*1\r\n$13\r\nRAFTKV.STATUS\r\n");
/** Whatever listens there may send more; no cluster's status is as long. */
const REPLY_BYTES_MAX = 8 * 1024 * 1024;
const READ_BYTES = 64 * 1024;
const LINE_BYTES_MAX = 1_024;
const LF = 10;

/** @throws {Error} with half a sentence: where it failed, and why. */
export async function askStatus(
  transport: Transport,
  { hostname, port }: ServerAddress,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<string> {
  const untilMs = performance.now() + timeoutMs;
  let connection: Connection;
  try {
    connection = await transport.connect(hostname, port, Math.round(timeoutMs), signal);
  } catch (error) {
    throw new Error(connectFault(error as Error), { cause: error });
  }
  const leftMs = Math.max(1, untilMs - performance.now());
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const silent = `it took the connection and said nothing for ${Math.round(leftMs)} ms: it is ` +
      "frozen, or far too busy";
    timer = setTimeout(() => reject(new Error(silent)), leftMs);
  });
  const reading = question(connection);
  // After the deadline nobody waits for it any more.
  reading.catch(() => {});
  try {
    return await Promise.race([reading, late]);
  } finally {
    clearTimeout(timer);
    connection.close();
  }
}

/** The transport names the server at the front, which stands elsewhere in the sentence. */
function connectFault(error: Error): string {
  const why = error.message.replace(/^Cannot connect to \S+ port \d+: /, "");
  if (/^the name /.test(why)) return why;
  if (/refused/i.test(why)) return "connection refused: nothing listens there";
  return `no connection: ${why.replace(/ \(os error \d+\)/, "")}`;
}

async function question(connection: Connection): Promise<string> {
  for (let sent = 0; sent < QUESTION.length;) {
    sent += await connection.write(QUESTION.subarray(sent));
  }
  let reply = new Uint8Array(READ_BYTES);
  let length = 0;
  let wanted: { readonly start: number; readonly end: number } | null = null;
  while (wanted === null || length < wanted.end) {
    if (length === reply.length) {
      const larger = new Uint8Array(Math.min(2 * length, REPLY_BYTES_MAX + READ_BYTES));
      larger.set(reply);
      reply = larger;
    }
    const read = await connection.read(reply.subarray(length));
    if (read === null) throw new Error("it closed the connection without an answer");
    length += read;
    wanted ??= bulkIn(reply.subarray(0, length));
  }
  return new TextDecoder().decode(reply.subarray(wanted.start, wanted.end));
}

/** Where the reply's text is; null where its first line has not arrived. @throws for other replies. */
function bulkIn(bytes: Uint8Array): { start: number; end: number } | null {
  const end = bytes.subarray(0, LINE_BYTES_MAX).indexOf(LF);
  if (end < 0 && bytes.length < LINE_BYTES_MAX) return null;
  const line = new TextDecoder().decode(bytes.subarray(0, Math.max(0, end))).trimEnd();
  const count = /^\$(\d{1,9})$/.exec(line)?.[1];
  if (count !== undefined && Number(count) <= REPLY_BYTES_MAX) {
    return { start: end + 1, end: end + 1 + Number(count) };
  }
  if (/^-ERR unknown command/i.test(line)) {
    throw new Error("it does not know RAFTKV.STATUS: an older build, or no raftkv server");
  }
  throw new Error("what it answers is no reply of a raftkv server");
}
