/** Fills a store of either protocol by the same sequence of writes. */
import { sendBulk } from "./bulk.ts";
import { type Address, connectWithin } from "./line_client.ts";
import { type Put, WriteEncoder, type WriteSequence } from "./writes.ts";

const CONNECT_TIMEOUT_MS = 2_000;

/** Carries out all of `writes`, whose values have up to `valueBytesMax`, over one connection. */
export async function fill(
  address: Address,
  protocol: "raftkv" | "redis",
  writes: WriteSequence,
  valueBytesMax: number,
): Promise<void> {
  const encoder = new WriteEncoder(protocol);
  const conn = await connectWithin(address, CONNECT_TIMEOUT_MS);
  let written = 0;
  let end = 0;
  let into: Uint8Array = new Uint8Array(0);
  const put: Put = (key, valueBytes) => {
    end = encoder.encode(key, valueBytes, into, end);
  };
  try {
    await sendBulk(conn, (buffer, at) => {
      into = buffer;
      end = at;
      return writes(written++, put) ? end : -1;
    }, encoder.requestBytesMax(valueBytesMax));
  } finally {
    conn.close();
  }
}
