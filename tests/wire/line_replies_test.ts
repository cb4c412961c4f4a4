import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Result, Status } from "../../lib/kv/commands/result.ts";
import { ByteWriter } from "../../lib/util/bytes.ts";
import { ClientError, ReplyMode } from "../../lib/wire/command_batch.ts";
import { readDecimal, writeDecimal } from "../../lib/wire/decimal.ts";
import { LineCodec } from "../../lib/wire/line/line_codec.ts";
import { latin, unlatin } from "./line_driver.ts";

const codec = new LineCodec({ valueBytesMax: 1000 });
const NOW_MS = 1_700_000_000_000;
const TIME = { nowMs: () => NOW_MS, aheadOfWallMs: () => 0 };

function resultText(replyMode: number, fields: Partial<Result>): string {
  const out = new ByteWriter(0);
  codec.writeResult(out, replyMode, Object.assign(new Result(), fields), TIME);
  return unlatin(out.view());
}

function errorText(error: ClientError, leader = null as { hostname: string; port: number } | null) {
  const out = new ByteWriter(0);
  codec.writeError(out, ReplyMode.plain, error, leader);
  return unlatin(out.view());
}

Deno.test("replies: each result has its line", () => {
  assertEquals(resultText(ReplyMode.plain, { status: Status.stored, version: 12 }), "OK 12\r\n");
  assertEquals(resultText(ReplyMode.plain, { status: Status.deleted }), "DELETED\r\n");
  assertEquals(resultText(ReplyMode.plain, { status: Status.notFound }), "ERR_NOT_FOUND\r\n");
  assertEquals(resultText(ReplyMode.plain, { status: Status.versionDiffers }), "ERR_VERSION\r\n");
});

Deno.test("replies: get shows the value, getm version and seconds left as well", () => {
  const bytes = latin("..any\r\n\0..");
  const found = { status: Status.found, version: 3, bytes, offset: 2, length: 6, deadlineMs: 0 };
  assertEquals(resultText(ReplyMode.plain, found), "VALUE 6\r\nany\r\n\0\r\n");
  assertEquals(resultText(ReplyMode.withMeta, found), "VALUE 3 0 6\r\nany\r\n\0\r\n");
  const empty = { ...found, length: 0 };
  assertEquals(resultText(ReplyMode.plain, empty), "VALUE 0\r\n\r\n");
  const long = latin("v".repeat(5000));
  const large = { ...found, bytes: long, offset: 10, length: 4000 };
  assertEquals(resultText(ReplyMode.plain, large), `VALUE 4000\r\n${"v".repeat(4000)}\r\n`);
});

Deno.test("replies: seconds left are rounded up, and never 0 while the key lives", () => {
  const left = (ms: number) =>
    resultText(ReplyMode.withMeta, { status: Status.found, deadlineMs: NOW_MS + ms });
  assertEquals(left(1), "VALUE 0 1 0\r\n\r\n");
  assertEquals(left(1000), "VALUE 0 1 0\r\n\r\n");
  assertEquals(left(1001), "VALUE 0 2 0\r\n\r\n");
  assertEquals(left(4_294_967_295_000), "VALUE 0 4294967295 0\r\n\r\n");
  assertEquals(left(0), "VALUE 0 1 0\r\n\r\n");
  assertEquals(left(-500), "VALUE 0 1 0\r\n\r\n");
});

Deno.test("replies: each error has its line", () => {
  assertEquals(errorText(ClientError.noLeader), "ERR_NO_LEADER\r\n");
  assertEquals(errorText(ClientError.busy), "ERR_BUSY\r\n");
  assertEquals(errorText(ClientError.noSpace), "ERR_NO_SPACE\r\n");
  assertEquals(errorText(ClientError.command), "ERR_CMD_ERR\r\n");
  assertEquals(errorText(ClientError.timeout), "ERR_TIMEOUT\r\n");
  assertEquals(errorText(ClientError.internal), "ERR_INTERNAL\r\n");
});

Deno.test("replies: a redirect names the leader's client port, or says that none is known", () => {
  const leader = { hostname: "10.0.0.7", port: 9002 };
  const other = { hostname: "::1", port: 1 };
  assertEquals(errorText(ClientError.redirect, leader), "ERR_REDIRECT 10.0.0.7 9002\r\n");
  assertEquals(errorText(ClientError.redirect, other), "ERR_REDIRECT ::1 1\r\n");
  assertEquals(errorText(ClientError.redirect, leader), "ERR_REDIRECT 10.0.0.7 9002\r\n");
  assertEquals(errorText(ClientError.redirect, null), "ERR_NO_LEADER\r\n");
});

Deno.test("replies: noreply writes nothing, errors included", () => {
  for (const status of Object.values(Status)) {
    assertEquals(resultText(ReplyMode.none, { status }), "");
  }
  const out = new ByteWriter();
  for (const error of Object.values(ClientError)) {
    codec.writeError(out, ReplyMode.none, error, null);
  }
  assertEquals(out.length, 0);
});

Deno.test("decimal: numbers up to 2^53 - 1 are written and read back exactly", () => {
  const write = (value: number) => {
    const out = new ByteWriter(0);
    writeDecimal(out, value);
    return unlatin(out.view());
  };
  const edges = [0, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53 - 1];
  for (let power = 1; power < 2 ** 53; power *= 10) edges.push(power - 1, power, power + 1);
  for (const edge of edges) assertEquals(write(edge), String(edge));
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      const text = write(value);
      assertEquals(text, String(value));
      assertEquals(readDecimal(latin(text), 0, text.length, Number.MAX_SAFE_INTEGER), value);
      assertEquals(readDecimal(latin(text), 0, text.length, value - 1), -1);
    }),
    { seed: 3 },
  );
});
