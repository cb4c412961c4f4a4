/** The keys of the store, a page at a time, with the guarantees of SCAN. */
import type { CallOptions } from "../../../client/mod.ts";
import type { Reply } from "../../../client/reply_parser.ts";
import type { Session } from "../connect/with_client.ts";
import { CliError, EXIT } from "../exit_codes.ts";

/** The most that a server takes in one step. */
const PAGE_KEYS = 1_000;

export async function* pages(
  command: Session["command"],
  pattern: string | undefined,
  options: CallOptions,
): AsyncGenerator<Uint8Array[], void, undefined> {
  const match = pattern === undefined ? [] : ["MATCH", pattern];
  let cursor: Uint8Array | string = "0";
  do {
    const request = ["SCAN", cursor, "COUNT", `${PAGE_KEYS}`, ...match];
    const page: { cursor: Uint8Array; keys: Uint8Array[] } = readPage(
      await command(request, false, options),
    );
    cursor = page.cursor;
    if (page.keys.length > 0) yield page.keys;
  } while (!(cursor.length === 1 && cursor[0] === 0x30));
}

function readPage(reply: Reply): { cursor: Uint8Array; keys: Uint8Array[] } {
  if (Array.isArray(reply) && reply[0] instanceof Uint8Array && Array.isArray(reply[1])) {
    const keys = reply[1].filter((key) => key instanceof Uint8Array);
    // What a reply holds may be a view of a buffer that is used again.
    return { cursor: reply[0].slice(), keys: keys.map((key) => key.slice()) };
  }
  throw new CliError(EXIT.refused, "the server's answer to SCAN is not understood");
}
