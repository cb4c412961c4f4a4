import { assert, assertEquals } from "@std/assert";
import { ByteWriter } from "../../lib/util/bytes.ts";
import { writeBulk } from "../../lib/wire/resp/resp_bytes.ts";

Deno.test("resp: a long value's line end finds room beside it, and has nothing copied", () => {
  for (const length of [48, 49, 1_000, 1_048_576]) {
    const out = new ByteWriter();
    const value = new Uint8Array(length + 2).fill(0x61);
    writeBulk(out, value, 1, length);
    const head = `$${length}\r\n`;
    const text = new TextDecoder().decode(out.view());
    assertEquals(text, `${head}${"a".repeat(length)}\r\n`);
    assert(out.bytes.length <= Math.max(256, 2 * 256, head.length + length + 2));
  }
});
