/** Requests as bytes: those of a client session are what the same words one by one come to. */
import { strictEqual } from "node:assert/strict";
import { RequestWriter } from "../../client/request_writer.ts";
import { random, test } from "./runtime.ts";

const decoder = new TextDecoder();

function written(write: (writer: RequestWriter) => void): string {
  const writer = new RequestWriter();
  write(writer);
  return decoder.decode(writer.take());
}

test("a request is an array of bulk strings, and text is counted in bytes", () => {
  const bytes = written((writer) => writer.request(["SET", "é", new Uint8Array([65, 66])]));
  strictEqual(bytes, "*3\r\n$3\r\nSET\r\n$2\r\né\r\n$2\r\nAB\r\n");
});

test("a write of a client session stands after its place, in the order of RAFTKV.SESSION RUN", () => {
  const bytes = written((writer) => writer.requestInSession(7, 120, 99, ["DEL", "k"]));
  const place = "$14\r\nRAFTKV.SESSION\r\n$3\r\nRUN\r\n$1\r\n7\r\n$3\r\n120\r\n$2\r\n99\r\n";
  strictEqual(bytes, `*7\r\n${place}$3\r\nDEL\r\n$1\r\nk\r\n`);
});

test("numbers of any length, many requests in one buffer: as the same words one by one", () => {
  const numbers = [0, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER - 1];
  for (let power = 1; power < 1e16; power *= 10) numbers.push(power - 1, power, power + 1);
  const next = random(1);
  for (let bits = 1; bits < 53; bits++) numbers.push(Math.floor(next() * 2 ** bits));
  const words = ["INCRBY", "k".repeat(100), "é", "1"];
  const inSession = written((writer) => {
    for (const id of numbers) {
      for (const sequence of numbers) writer.requestInSession(id, sequence, id, words);
    }
  });
  const byWords = written((writer) => {
    for (const id of numbers) {
      for (const sequence of numbers) {
        writer.request(["RAFTKV.SESSION", "RUN", `${id}`, `${sequence}`, `${id}`, ...words]);
      }
    }
  });
  strictEqual(inSession, byWords);
});
