/**
 * What servers hold after a load, read through their own protocols: every key and value of each
 * server, its followers included, and on the leader every key's version. A version grows by one with
 * each write, so the sum of all versions counts the writes that took effect.
 */
import { crc32 } from "node:zlib";
import { ByteSource } from "./byte_source.ts";
import { type Address, connectWithin, writeAll } from "./line_client.ts";
import { keyName } from "./writes.ts";

const CONNECT_TIMEOUT_MS = 5_000;
const KEYS_PER_REQUEST = 1_000;
/** Of large values, fewer keys: about so many bytes a reply. */
const REPLY_BYTES = 4_194_304;
const encoder = new TextEncoder();

export interface Contents {
  readonly keys: number;
  /** Over all keys and values, whatever their order. */
  readonly digest: string;
}

function request(...words: readonly (string | Uint8Array)[]): Uint8Array {
  const parts: Uint8Array[] = [encoder.encode(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = typeof word === "string" ? encoder.encode(word) : word;
    parts.push(encoder.encode(`$${bytes.length}\r\n`), bytes, encoder.encode("\r\n"));
  }
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A header line such as `*2` or `$16`; -1 where there is nothing. @throws {Error} for any other. */
async function count(source: ByteSource, type: "*" | "$"): Promise<number> {
  const line = await source.line();
  if (line.startsWith(type)) return Number(line.slice(1));
  throw new Error(`A server answered ${JSON.stringify(line)} where ${type} was expected`);
}

/**
 * Reads all that one server holds; a follower is asked for what it has applied. No value is longer than
 * `valueBytesMax`.
 */
export async function readContents(
  address: Address,
  valueBytesMax = REPLY_BYTES / KEYS_PER_REQUEST,
): Promise<Contents> {
  const atATime = Math.max(1, Math.min(KEYS_PER_REQUEST, Math.floor(REPLY_BYTES / valueBytesMax)));
  const conn = await connectWithin(address, CONNECT_TIMEOUT_MS);
  const source = new ByteSource(conn);
  try {
    await writeAll(conn, request("READONLY"));
    await source.line();
    let keys = 0;
    let [forward, backward] = [0, 0];
    for (let cursor = "";;) {
      await writeAll(conn, request("SCAN", cursor || "0", "COUNT", `${KEYS_PER_REQUEST}`));
      await count(source, "*");
      const cursorBytes = await source.bytesAndLineEnd(await count(source, "$"));
      cursor = new TextDecoder().decode(cursorBytes);
      const found: Uint8Array[] = [];
      for (let left = await count(source, "*"); left > 0; left--) {
        found.push((await source.bytesAndLineEnd(await count(source, "$"))).slice());
      }
      for (let i = 0; i < found.length; i++) {
        if (i % atATime === 0) {
          await writeAll(conn, request("MGET", ...found.slice(i, i + atATime)));
          await count(source, "*");
        }
        const length = await count(source, "$");
        if (length < 0) throw new Error("A key that was listed has no value");
        const value = await source.bytesAndLineEnd(length);
        const key = found[i]!;
        // Sums of 32-bit numbers: exact for a million keys and many more.
        forward += crc32(value, crc32(key));
        backward += crc32(key, crc32(value));
        keys++;
      }
      if (cursor === "0") {
        return { keys, digest: `${forward.toString(16)}-${backward.toString(16)}` };
      }
    }
  } finally {
    conn.close();
  }
}

/** The sum of the versions of the first `keys` keys; a key that is absent counts nothing. */
export async function sumVersions(leader: Address, keys: number): Promise<number> {
  const conn = await connectWithin(leader, CONNECT_TIMEOUT_MS);
  const source = new ByteSource(conn);
  try {
    let sum = 0;
    for (let first = 0; first < keys; first += KEYS_PER_REQUEST) {
      const end = Math.min(keys, first + KEYS_PER_REQUEST);
      let text = "";
      for (let key = first; key < end; key++) text += `getm ${keyName(key)}\r\n`;
      const writing = writeAll(conn, encoder.encode(text));
      for (let key = first; key < end; key++) {
        const line = await source.line();
        if (line === "ERR_NOT_FOUND") continue;
        const match = /^VALUE (\d+) \d+ (\d+)$/.exec(line);
        if (match === null) throw new Error(`getm ${keyName(key)} was answered ${line}`);
        sum += Number(match[1]);
        await source.bytesAndLineEnd(Number(match[2]));
      }
      await writing;
    }
    return sum;
  } finally {
    conn.close();
  }
}
