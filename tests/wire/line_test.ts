import { assertEquals, assertThrows } from "@std/assert";
import { CommandBatch } from "../../lib/wire/command_batch.ts";
import { LineCodec } from "../../lib/wire/line/line_codec.ts";
import { LINE_BYTES_MAX } from "../../lib/wire/line/line_parser.ts";
import { latin, LineDriver, parseText } from "./line_driver.ts";

/** Asserts what an input comes to; a `get next` behind it shows where parsing goes on. */
function check(input: string, ...expected: string[]): void {
  assertEquals(parseText(input + "get next\r\n"), [...expected, "read get next"], input);
}

/** Asserts that an input ends the connection: nothing after it is read. */
function checkEnd(input: string, expected: "refuseAndClose" | "close"): void {
  assertEquals(parseText(input + "get next\r\nset a 0 1\r\nx\r\n"), [expected], input);
}

Deno.test("line: each command is parsed", () => {
  check("set k 0 3\r\nabc\r\n", 'write set k never:0 "abc"');
  check("set k 60 3\r\nabc\r\n", 'write set k relative:60000 "abc"');
  check("get k\r\n", "read get k");
  check("getm k\r\n", "read getm k withMeta");
  check("cas k 5 7 2\r\nab\r\n", 'write cas k relative:5000 v7 "ab"');
  check("cas k 0 0 0\r\n\r\n", 'write cas k never:0 v0 ""');
  check("delete k\r\n", "write delete k");
  check("scan us 10\r\n", 'read range "us" "ut" 10 withMeta');
  check("scan us 1000 user\n", 'read range "user\\u0000" "ut" 1000 withMeta');
  check("scan us 10 a\r\n", 'read range "us" "ut" 10 withMeta');
  check("scan * 10\r\n", 'read range "" "" 10 withMeta');
  check("scan %2a%FF 10 %2a%ff%00\r\n", 'read range "*\xff\\u0000\\u0000" "+" 10 withMeta');
});

Deno.test("line: a scan that is none is refused", () => {
  for (
    const rest of ["", "k", "k 0", "k 1001", "k x", "k 1 a b", " 10", "k 10 ", "k% 1", "k%4 1"]
  ) {
    check(`scan ${rest}\r\n`, "refuse");
  }
  check(`scan ${"k".repeat(251)} 1\r\n`, "refuse");
  check("scan k%4g 1\r\n", "refuse");
  check("scan a\x7f 1\r\n", "refuse");
  check("scan\r\n", "hint");
});

Deno.test("line: a lone line feed ends lines and values too", () => {
  check("get k\n", "read get k");
  check("set k 0 1\nx\n", 'write set k never:0 "x"');
  check("set k 0 1\r\nx\n", 'write set k never:0 "x"');
  check("set k 0 1\nx\r\n", 'write set k never:0 "x"');
});

Deno.test("line: values may hold line ends, commands and any byte", () => {
  check("set k 0 8\r\nget a\r\n\0\r\n", 'write set k never:0 "get a\\r\\n\\u0000"');
  check("set k 0 2\r\n\r\n\r\n", 'write set k never:0 "\\r\\n"');
  check("set k 0 1\r\n\r\r\n", 'write set k never:0 "\\r"');
});

Deno.test("line: keys are 1 to 250 bytes of 0x21-0x7E and 0x80-0xFF", () => {
  const longest = "k".repeat(250);
  check(`get ${longest}\r\n`, `read get ${longest}`);
  check(`get ${longest}k\r\n`, "refuse");
  check("get !~\x80\xff\r\n", "read get !~\x80\xff");
  for (const bad of ["\0", "\t", "\x1f", "\x7f", "\r", "a\rb", "a\0"]) {
    check(`get ${bad}\r\n`, "refuse");
    check(`set ${bad} 0 3\r\nabc\r\n`, "refuse");
  }
});

Deno.test("line: unknown verbs are refused and announce nothing", () => {
  check("ge k\r\n", "refuse");
  check("deletf k\r\n", "refuse");
  check("sex k 0 3\r\n", "refuse");
  check(" get k\r\n", "refuse");
  check("pings\r\n", "refuse");
  check(`${"x".repeat(300)}\r\n`, "refuse");
});

Deno.test("line: capitals, and words of other protocols, are refused with a hint", () => {
  check("GET k\r\n", "hint");
  check("Set k 0 3\r\nget a\r\n", "hint", "read get a");
  check("PING\r\nping\r\n", "hint", "hint");
  check("gets k\r\n", "hint");
  check("quit\r\n", "hint");
  check("?\r\n", "hint");
  check("get k\r\n*1\r\n$4\r\nPING\r\n", "read get k", "hint", "hint", "hint");
});

Deno.test("line: an empty line is an unknown command, and gets a hint", () => {
  check("\r\n", "hint");
  check("\n\n", "hint", "hint");
});

Deno.test("line: help is answered, in any case and with anything after it", () => {
  check("help\r\n", "help");
  check("HELP\nHelp set\n", "help", "help");
  check("helps\r\nhelp\tset\r\n", "refuse", "refuse");
});

Deno.test("line: a wrong number of arguments is refused", () => {
  check("get\r\n", "refuse");
  check("get \r\n", "refuse");
  check("get a b\r\n", "refuse");
  check("getm\r\n", "refuse");
  check("getm a b\r\n", "refuse");
  check("delete\r\n", "refuse");
  check("delete a noreply\r\n", "refuse");
  check("get a b c d e f g h\r\n", "refuse");
});

Deno.test("line: more than one space is a wrong number of arguments", () => {
  check("get  k\r\n", "refuse");
  check("get k \r\n", "refuse");
  check("get\tk\r\n", "refuse");
  check("set k 0 3 \r\nabc\r\n", "refuse");
  check("set k 0 3  noreply\r\nabc\r\n", "refuse");
});

Deno.test("line: two spaces in front of the length leave it unreadable, which ends it", () => {
  checkEnd("set  k 0 3\r\nabc\r\n", "refuseAndClose");
  checkEnd("set k  0 3\r\nabc\r\n", "refuseAndClose");
  checkEnd("set k 0  3\r\nabc\r\n", "refuseAndClose");
  checkEnd("cas k 0  7 3\r\nabc\r\n", "refuseAndClose");
});

Deno.test("line: a refused set or cas has its value swallowed, never read as a command", () => {
  const value = "\r\ndelete a\r\n";
  const long = "k".repeat(251);
  check(`set ${long} 0 8${value}`, "refuse");
  check(`set ${"k".repeat(3000)} 0 8${value}`, "refuse");
  check(`set k x 8${value}`, "refuse");
  check(`set k -1 8${value}`, "refuse");
  check(`set k 4294967296 8${value}`, "refuse");
  check(`set k 0 8 norepl${value}`, "refuse");
  check(`set k 0 8 NOREPLY${value}`, "refuse");
  check(`set k 0 8 noreply more${value}`, "refuse");
  check(`set k 0 8 a b c d e f${value}`, "refuse");
  check(`cas ${long} 0 1 8${value}`, "refuse");
  check(`cas k 0 x 8${value}`, "refuse");
  check(`cas k 0 -1 8${value}`, "refuse");
  check(`cas k 0 9007199254740992 8${value}`, "refuse");
  check(`cas k x 1 8${value}`, "refuse");
  check(`cas k 0 1 8 what${value}`, "refuse");
  check("set k x 0\r\n\r\n", "refuse");
  check("set k x 8\r\nget a\r\nz\n", "refuse");
});

Deno.test("line: a swallowed value without a line end takes its line with it, one error in all", () => {
  check("set k x 3\r\nabcdef get z\r\n", "refuse");
  check("set k x 3\r\nabc\rdef\r\n", "refuse");
});

Deno.test("line: a length that can't be read ends the connection", () => {
  for (const size of ["x", "-1", "+1", "1.0", "1e3", "0x1", "1a", "", "99999999999999999999"]) {
    checkEnd(`set k 0 ${size}\r\nabc\r\n`, "refuseAndClose");
    checkEnd(`cas k 0 1 ${size}\r\nabc\r\n`, "refuseAndClose");
  }
  for (const line of ["set", "set ", "set k", "set k 0", "cas", "cas k 0 1", "cas k 0"]) {
    checkEnd(`${line}\r\n`, "refuseAndClose");
  }
});

Deno.test("line: a length beyond the limit ends the connection; the limit itself does not", () => {
  checkEnd("set k 0 1001\r\n", "refuseAndClose");
  checkEnd("set k 0 4294967296\r\n", "refuseAndClose");
  checkEnd("cas k 0 1 1001\r\n", "refuseAndClose");
  const value = "v".repeat(1000);
  check(`set k 0 1000\r\n${value}\r\n`, `write set k never:0 "${value}"`);
});

Deno.test("line: noreply is carried along, and suppresses the command's own errors", () => {
  check("set k 0 1 noreply\r\nx\r\n", 'write set k never:0 "x" noreply');
  check("cas k 0 3 1 noreply\r\nx\r\n", 'write cas k never:0 v3 "x" noreply');
  check("set k x 8 noreply\r\ndelete a\r\n", "refuse noreply");
  check(`cas ${"k".repeat(251)} 0 1 8 noreply\r\ndelete a\r\n`, "refuse noreply");
  check("set k 0 1 noreply\r\nxyz\r\n", "refuse noreply");
  checkEnd("set k 0 x noreply\r\n", "close");
  checkEnd("cas k 0 1 1001 noreply\r\n", "close");
});

Deno.test("line: a value not followed by a line end is refused, the rest of the line dropped", () => {
  check("set k 0 3\r\nabcd get a\r\n", "refuse");
  check("set k 0 3\r\nabc\rget a\r\n", "refuse");
  check("cas k 0 1 3\r\nabcget a\n", "refuse");
  check("set k 0 0\r\nabc\r\n", "refuse");
});

Deno.test("line: numbers are digits only, at most 16 of them, leading zeros allowed", () => {
  check("set k 007 03\r\nabc\r\n", 'write set k relative:7000 "abc"');
  check("set k 0000000000000000 3\r\nabc\r\n", 'write set k never:0 "abc"');
  check("set k 00000000000000000 3\r\nabc\r\n", "refuse");
  check("set k 4294967295 1\r\nx\r\n", 'write set k relative:4294967295000 "x"');
  check("cas k 0 9007199254740991 1\r\nx\r\n", 'write cas k never:0 v9007199254740991 "x"');
  check("cas k 0 9007199254740993 1\r\nx\r\n", "refuse");
});

Deno.test("line: a line is at most LINE_BYTES_MAX bytes; a longer one is dropped to its end", () => {
  const fits = "get " + "k".repeat(LINE_BYTES_MAX - 6) + "\r\n";
  assertEquals(fits.length, LINE_BYTES_MAX);
  check(fits, "refuse");
  check("get k" + fits.slice(4), "refuse");
  check("x".repeat(20_000) + "\r\n", "refuse");
  check("settings " + "x".repeat(20_000) + "\r\n", "refuse");
});

Deno.test("line: an over-long set or cas line ends the connection", () => {
  checkEnd("set " + "k".repeat(LINE_BYTES_MAX) + " 0 3\r\nabc\r\n", "refuseAndClose");
  checkEnd("cas " + "k".repeat(LINE_BYTES_MAX) + " 0 1 3\r\nabc\r\n", "refuseAndClose");
});

Deno.test("line: an over-long line is not held", () => {
  const driver = new LineDriver();
  for (let i = 0; i < 50; i++) {
    driver.push(latin("y".repeat(1000)));
    assertEquals(driver.left < LINE_BYTES_MAX, true);
  }
  assertEquals(driver.codec.isMidCommand(), true);
  assertEquals(driver.push(latin("\r\nget k\r\n")).events, ["refuse", "read get k"]);
});

Deno.test("line: a first line that looks like HTTP closes without a word", () => {
  checkEnd("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "close");
  checkEnd("POST /x HTTP/1.0\n", "close");
  checkEnd("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "close");
  checkEnd("M-SEARCH * HTTP/1.1\r\n", "close");
  checkEnd("GET /" + "a".repeat(LINE_BYTES_MAX) + " HTTP/1.1\r\n", "close");
});

Deno.test("line: a connection that begins with TLS is closed without a word, at its first byte", () => {
  checkEnd("\x16", "close");
  checkEnd("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\nget k\r\n", "close");
});

Deno.test("line: what only resembles HTTP, or comes later, is an unknown command", () => {
  check("GET / HTTP/1\r\n", "hint");
  check("GET / HTTP/x.y\r\n", "hint");
  check("get / HTTP/1.1\r\n", "refuse");
  check("HTTP/1.1\r\n", "refuse");
  check("GET /HTTP/1.1\r\n", "hint");
  check("get k\r\nGET / HTTP/1.1\r\n", "read get k", "hint");
});

Deno.test("line: what still comes after the end is used up and read as nothing", () => {
  const driver = new LineDriver().push(latin("set k 0 x\r\nabc"));
  assertEquals(driver.left, 0);
  assertEquals(driver.codec.isMidCommand(), false);
  assertEquals(driver.codec.bytesNeeded(), 0);
  driver.push(latin("get k\r\n"));
  assertEquals([driver.left, driver.events.length], [0, 1]);
});

Deno.test("line: room bounds a batch; the rest is parsed by the next call", () => {
  const input = "get a\r\nset b 0 1\r\nx\r\nfoo\r\ndelete c\r\n".repeat(10);
  const whole = parseText(input);
  for (const room of [1, 2, 3]) {
    assertEquals(new LineDriver({ room }).push(latin(input)).events, whole);
  }
});

Deno.test("line: bytesNeeded names all of a command whose length is known", () => {
  const driver = new LineDriver().push(latin("set k 0 100\r\nab"));
  assertEquals(driver.codec.bytesNeeded(), 13 + 100 + 1);
  assertEquals(driver.codec.isMidCommand(), true);
  driver.push(latin("v".repeat(98) + "\r"));
  assertEquals(driver.codec.bytesNeeded(), 13 + 100 + 2);
  driver.push(latin("\n"));
  assertEquals(driver.codec.bytesNeeded(), 0);
  assertEquals(driver.codec.isMidCommand(), false);
  driver.push(latin("ge"));
  assertEquals(driver.codec.bytesNeeded(), 3);
});

Deno.test("line: a value being swallowed counts as a command half read", () => {
  const driver = new LineDriver().push(latin("set k x 10\r\nabc"));
  assertEquals([driver.left, driver.codec.isMidCommand()], [0, true]);
  driver.push(latin("defghij\r"));
  assertEquals(driver.codec.isMidCommand(), true);
  driver.push(latin("\n"));
  assertEquals(driver.codec.isMidCommand(), false);
});

Deno.test("line: limits that no server could keep are refused", () => {
  assertThrows(() => new LineCodec({ valueBytesMax: -1 }), Error, "Cannot take values");
  assertThrows(() => new LineCodec({ valueBytesMax: 2 ** 31 }), Error, "Cannot take values");
  assertThrows(() => new LineCodec({ valueBytesMax: 1, keyBytesMax: 251 }), Error, "keys");
});

Deno.test("line: while a value comes in, none of its bytes is looked at, nor its line again", () => {
  let looks = 0;
  const line = latin("set k 0 100000\r\n");
  const bytes = new Uint8Array(line.length + 100_002);
  bytes.set(line);
  const watched = new Proxy(bytes, {
    get(target, name) {
      looks++;
      return Reflect.get(target, name);
    },
  });
  const codec = new LineCodec({ valueBytesMax: 100_000 });
  const batch = new CommandBatch();
  codec.parse(watched, 0, line.length + 1, batch, 10);
  const looksAtLine = looks;
  for (let end = line.length + 2; end <= bytes.length - 2; end += 10) {
    assertEquals(codec.parse(watched, 0, end, batch, 10), 0);
  }
  assertEquals(looksAtLine > line.length, true);
  assertEquals(looks, looksAtLine);
});
