/** docs/protocol.md against the code: what the page says in numbers has to be true. */
import { assert, assertEquals } from "@std/assert";
import {
  contentBytesMax,
  DEFAULT_LIMITS,
  DEFAULT_STORAGE_LIMITS,
  REDIS_KEY_BYTES_CEILING,
  VALUE_BYTES_CEILING,
} from "../../lib/node/limits.ts";
import { TIME_TO_LIVE_MS_MAX } from "../../lib/wire/resp/resp_expiry.ts";
import { ClientError, ReplyMode } from "../../lib/wire/command_batch.ts";
import { ByteWriter } from "../../lib/util/bytes.ts";
import { KEY_BYTES_MAX, LineCodec } from "../../lib/wire/line/line_codec.ts";
import { EXPTIME_SECONDS_MAX, LINE_BYTES_MAX } from "../../lib/wire/line/line_parser.ts";
import { encodeMessage, FrameType, RefusalReason } from "../../lib/wire/rpc/rpc.ts";
import { unlatin } from "./line_driver.ts";
import { decodeCut } from "./rpc_driver.ts";
import { frameBytes } from "./rpc_samples.ts";

const page = Deno.readTextFileSync(new URL("../../docs/protocol.md", import.meta.url));
/** The tables without their padding. */
const tables = page.replaceAll(/ +/g, " ");

Deno.test("protocol page: the bounds of keys and values are those of the code", () => {
  const bounds = tables.slice(tables.indexOf("### Bounds"), tables.indexOf("### Errors"));
  const count = (value: number) => value.toLocaleString("en-US");
  const [mib, gib] = [1024 ** 2, 1024 ** 3];
  for (
    const text of [
      `| 1 to ${KEY_BYTES_MAX} bytes`,
      `| 1 to ${count(DEFAULT_LIMITS.redisKeyBytesMax)} bytes of any kind`,
      `${count(REDIS_KEY_BYTES_CEILING)} at the most`,
      `| 0 bytes to ${DEFAULT_LIMITS.valueBytesMax / mib} MiB;`,
      `| the same; ${VALUE_BYTES_CEILING / mib} MiB at the most`,
      `whole seconds, at most ${count(EXPTIME_SECONDS_MAX)}`,
      `milliseconds, at most ${count(TIME_TO_LIVE_MS_MAX)}`,
      `| ${contentBytesMax(DEFAULT_STORAGE_LIMITS) / gib} GiB;`,
    ]
  ) assert(bounds.includes(text), `the page lacks "${text}"`);
});

Deno.test("protocol page: its example frame is what the encoder writes and the decoder reads", () => {
  const block = /```hex\n([\s\S]*?)```/.exec(page)![1]!;
  const digits = block.split("\n").flatMap((line) =>
    line.match(/^(?:[0-9a-f]{2} ?)+(?= |$)/) ?? []
  );
  const bytes = Uint8Array.from(
    digits.join(" ").trim().split(/\s+/),
    (byte) => parseInt(byte, 16),
  );
  const message = {
    kind: "heartbeat",
    from: 1,
    to: 2,
    term: 5,
    commitIndex: 1000,
    readRound: 7,
  } as const;
  assertEquals(bytes, frameBytes((out) => encodeMessage(out, message)));
  assertEquals(decodeCut(bytes, []), [{ type: "message", message }]);
});

Deno.test("protocol page: every frame type and refusal stands there with its number", () => {
  for (const [name, number] of Object.entries(FrameType)) {
    assert(tables.includes(`| ${number} | ${name} |`), name);
  }
  for (const [name, number] of Object.entries(RefusalReason)) {
    assert(tables.includes(`| ${number} | ${name} |`), name);
  }
});

/** Every file of ours below `directory`. */
function* sources(directory: URL): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    if (isDirectory) yield* sources(new URL(`${name}/`, directory));
    else yield Deno.readTextFileSync(new URL(name, directory));
  }
}

Deno.test("protocol page: it says which error line is reserved, and that one nobody sends", () => {
  assert(/\| `ERR_INTERNAL` \| reserved/.test(tables));
  // Two codecs have words for it, and the audit log counts it among unknown outcomes; nobody gives it.
  const all = [...sources(new URL("../../lib/", import.meta.url))].join("\n");
  const uses = all.match(/.*ClientError\.internal\b.*/g)!.map((line) => line.trim());
  assertEquals(uses.map((line) => line.slice(0, 22)).sort(), [
    "[ClientError.internal]",
    "case ClientError.inter",
    "const UNKNOWN: Readonl",
  ]);
});

Deno.test("protocol page: every error line and limit stands there", () => {
  const codec = new LineCodec({ valueBytesMax: 1 });
  for (const error of Object.values(ClientError)) {
    const out = new ByteWriter();
    codec.writeError(out, ReplyMode.plain, error, null);
    assert(tables.includes(`| \`${unlatin(out.view()).trim()}\` |`), String(error));
  }
  for (const line of ["ERR_REDIRECT <host> <port>", "ERR_NOT_FOUND", "ERR_VERSION"]) {
    assert(tables.includes(`| \`${line}\` |`), line);
  }
  assert(page.includes(`1 to ${KEY_BYTES_MAX} bytes`));
  assert(page.includes(`at most ${EXPTIME_SECONDS_MAX}`));
  assert(page.includes(`longer than ${LINE_BYTES_MAX} bytes`));
});
