/** The engine for scripts: what it keeps scripts from, and what a script may take. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { LuaEngine } from "../../lib/scripts/engine.ts";
import type { ScriptCalls, ScriptOutcome } from "../../lib/wire/scripts.ts";

const CALLS: ScriptCalls = {
  mayRun: () => true,
  call: (words) => `$${words.join(" ").length}\r\n${words.join(" ")}\r\n`,
  time: () => [1_700_000_000, 5],
  log: () => {},
};

function run(engine: LuaEngine, script: string, args: readonly string[] = []): ScriptOutcome {
  return engine.run({ script, keys: [], args, isResp3: false }, CALLS);
}

/** Each would never end, or take all memory there is. */
const GREEDY: Readonly<Record<string, string>> = {
  "an endless loop": "while true do end",
  "a loop that catches": "while true do pcall(error, 'x') end",
  "a caught endless loop": "pcall(function() while true do end end) return 1",
  "long strings": "while true do string.rep('x', 1000000) end",
  "one long string": "return string.rep('x', 1e9)",
  "a string that doubles": "local s = 'x' while true do s = s .. s end",
  "a pattern that tries everything":
    "return string.find(string.rep('a', 300), string.rep('a-', 30) .. 'b')",
  "a pattern of stars": "return string.match(string.rep('a', 5000), string.rep('a*', 30) .. 'b')",
  "a growing table": "local t = {} local i = 0 while true do i = i + 1 t[i] = i end",
  "tables within tables": "local t = {} while true do t = {t} end",
  "endless recursion": "local function f(x) return 1 + f(x) end return f()",
  "recursion in the tail": "local function f() return f() end return f()",
  "a replacement that grows": "local s = 'a' while true do s = s:gsub('a', 'aa') end",
  "calls of commands": "while true do redis.call('get', 'x') end",
  "long numbers": "while true do string.format('%99.99f', 1e300) end",
  "closures": "while true do local f = function() return 1 end f() end",
  "JSON": "local t = {} for i = 1, 200 do t[i] = {a = i} end " +
    "while true do cjson.decode(cjson.encode(t)) end",
  "hashes": "local s = string.rep('x', 10000) while true do redis.sha1hex(s) end",
  "long strings compared":
    "local a, b = string.rep('x', 1e6) .. 'y', string.rep('x', 1e6) .. 'z' " +
    "while true do local x = a == b or a < b end",
  "insertion at the front": "local t = {} while true do table.insert(t, 1, 1) end",
  "many values": "local t = {} for i = 1, 5000 do t[i] = i end " +
    "while true do select('#', unpack(t)) end",
  "a comparison that contradicts itself": "local t = {} for i = 1, 9000 do t[i] = i end " +
    "while true do table.sort(t, function() return true end) end",
  "metatables in a circle": "local t = setmetatable({}, {}) getmetatable(t).__index = t " +
    "while true do pcall(function() return t.x end) end",
};

Deno.test("scripts: whatever a script does it is stopped, nothing is kept, and the next one runs", () => {
  const engine = new LuaEngine();
  for (const [about, script] of Object.entries(GREEDY)) {
    const { reply, isKept } = run(engine, script);
    assertMatch(reply, /^-ERR the script was stopped: .*, nothing was done\r\n$/, about);
    assertEquals(isKept, false, about);
    assertEquals(run(engine, "return 1").reply, ":1\r\n", about);
  }
});

Deno.test("scripts: what is made for each match, word or argument counts before it is made", () => {
  const engine = new LuaEngine();
  const [x, many] = ["string.rep('x', 1000000)", "local t = {} for i = 1, 7000 do t[i] = i end "];
  const taking: Readonly<Record<string, string>> = {
    "a template for each match": `string.gsub(string.rep('a', 500), 'a', ${x} .. '%0')`,
    "the match for each of a template": `string.gsub(${x}, '.+', string.rep('%0', 1000))`,
    "letters of either case": `string.lower(string.rep('aB\\195', 1000000))`,
    "words that are numbers to another base": `local s = ${x} while true do tonumber(s, 7) end`,
  };
  for (const [about, script] of Object.entries(taking)) {
    const { reply } = run(engine, script);
    assertMatch(reply, /^-ERR the script was stopped: it took more than the /, about);
  }
  // What 80,000 steps can copy at most, a copy of 7,000 values being no single step.
  const copies: Readonly<Record<string, string>> = {
    select: `${many} local function f(...) while true do n() select(1, ...) end end f(unpack(t))`,
    calls:
      `${many} local function g() end local function f(...) while true do n() g(...) end end ` +
      "f(unpack(t))",
  };
  const looks: Readonly<Record<string, string>> = {
    "spaces in JSON": `local s = string.rep(' ', 1000000) while true do n() ` +
      "pcall(cjson.decode, s) end",
    "separators": `local t, s = {'', '', '', ''}, ${x} while true do n() table.concat(t, s) end`,
    "a long pattern": `local p = ${x} .. '.' while true do n() string.find('a', p) end`,
    "a template without the match":
      `local s = ${x} while true do n() string.gsub('aaaaaaaa', 'a', s) end`,
    "texts that are compared without metatables":
      `local a, b = ${x} .. 'y', ${x} .. 'z' while true do n() rawequal(a, b) end`,
  };
  for (const [about, script] of Object.entries({ ...copies, ...looks })) {
    const most = about in copies ? 250 : 10;
    let count = 0;
    const calls = { ...CALLS, call: () => `:${++count}\r\n` };
    const counted = script.replace("n()", "redis.call('get', 'n')");
    engine.run({ script: counted, keys: [], args: [], isResp3: false }, calls);
    assert(count > 0 && count < most, `${about}: ${count}`);
  }
});

Deno.test("scripts: words of commands and of the server's log are memory that a run makes", () => {
  const engine = new LuaEngine();
  let letters = 0;
  const calls = {
    ...CALLS,
    call(words: readonly string[]): string {
      for (const word of words) letters += word.length;
      return "+OK\r\n";
    },
    log: (_: number, text: string) => void (letters += text.length),
  };
  const s = "local s = string.rep('x', 1000000) while true do ";
  for (const call of ["redis.call('set', 'k', s)", "redis.log(3, s, s)"]) {
    letters = 0;
    const request = { script: `${s} ${call} end`, keys: [], args: [], isResp3: false };
    assertMatch(engine.run(request, calls).reply, /^-ERR the script was stopped: /);
    assert(letters > 0 && letters <= 16_777_216, `${call}: ${letters}`);
  }
});

Deno.test("scripts: nothing leads out of a script", () => {
  const engine = new LuaEngine();
  const absent = "os io load loadstring loadfile dofile require module package debug coroutine " +
    "collectgarbage newproxy getfenv setfenv print gcinfo Deno globalThis process";
  for (const name of absent.split(" ")) {
    assertMatch(run(engine, `return ${name}`).reply, /nonexistent global variable/, name);
  }
  for (const name of ["constructor", "__proto__", "prototype", "length", "toString", "run"]) {
    const values = [
      "('')",
      "({})",
      "redis",
      "string",
      "KEYS",
      "(function() end)",
      "_G",
      "cjson.null",
    ];
    for (const value of values) {
      const { reply } = run(
        engine,
        `local ok, v = pcall(function() return ${value}.${name} end) ` +
          `return ok and type(v) or 'none'`,
      );
      assert(["$3\r\nnil\r\n", "$4\r\nnone\r\n"].includes(reply), `${value}.${name}: ${reply}`);
    }
  }
  assertMatch(run(engine, "return string.dump").reply, /^\$-1/);
});

Deno.test("scripts: nothing of a script is left to the next one", () => {
  const engine = new LuaEngine();
  const attempts = [
    "x = 1",
    "_G.x = 1",
    "rawset(_G, 'x', 1)",
    "string.x = 1",
    "rawset(redis, 'call', nil)",
    "getmetatable('').__index = function() return 1 end",
    "getmetatable(_G).__index = function() return 1 end",
    "setmetatable(_G, nil)",
    "setmetatable(string, {__index = function() return 1 end})",
    "table.insert(table, 1)",
    "KEYS = nil",
  ];
  for (const attempt of attempts) assertMatch(run(engine, attempt).reply, /readonly/, attempt);
  run(engine, "ARGV[2] = 'kept' math.randomseed(5) return math.random()", ["1"]);
  assertEquals(run(engine, "return #ARGV", ["1"]).reply, ":1\r\n");
  const draws = "return {math.random(1000000), math.random(1000000)}";
  assertEquals(run(engine, draws).reply, run(engine, draws).reply);
});

Deno.test("scripts: known by their hash while there is room, in either case of the letters", () => {
  const engine = new LuaEngine();
  const hash = "59b6ab2fbe0ee4b25733de0f62e6cda4899ef8e9";
  assertEquals(engine.load("return 7"), { hash });
  assertEquals(engine.find(hash.toUpperCase()), "return 7");
  assert("problem" in engine.load("return ("));
  for (let i = 0; i < 1_000; i++) engine.load(`return ${1_000 + i}`);
  assertEquals(engine.find(hash), null);
  const last = "a529380971ece78aa587f5fccaac3ae88b4800ac";
  engine.load("return 1999");
  assertEquals(engine.find(last), "return 1999");
  engine.flush();
  assertEquals(engine.find(last), null);
});

Deno.test("scripts: sources that are too long or too deep are refused in words", () => {
  const engine = new LuaEngine();
  const sources = [
    `return ${"(".repeat(100_000)}1${")".repeat(100_000)}`,
    `return ${"{".repeat(3_000)}${"}".repeat(3_000)}`,
    `return ${"-".repeat(1)}${"not ".repeat(5_000)}1`,
    "do ".repeat(5_000),
    `return '${"x".repeat(300_000)}'`,
    "local a = 'abc",
    "return '\\",
    "--[[",
    "[==[",
    "return 1e",
    "\0\xff",
  ];
  for (const source of sources) {
    assertMatch(run(engine, source).reply, /^-ERR /, source.slice(0, 20));
  }
  const flat = `return ${"1 + ".repeat(500)}1`;
  assertEquals(run(engine, flat).reply, ":501\r\n");
});

Deno.test("scripts: the time is that of the run, once", () => {
  const engine = new LuaEngine();
  const script = "local t = redis.call('TIME') return {t[1], t[2]}";
  assertEquals(run(engine, script).reply, "*2\r\n$10\r\n1700000000\r\n$1\r\n5\r\n");
});

Deno.test("scripts: SHA-1 is that of the bytes, letters above 127 included", () => {
  // By sha1sum: of nothing, of "abc" (FIPS 180-1, appendix A), and of all 256 bytes in order.
  const all = "(function() local t = {} for i = 0, 255 do t[i + 1] = string.char(i) end " +
    "return table.concat(t) end)()";
  const hashes: Readonly<Record<string, string>> = {
    "''": "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "'abc'": "a9993e364706816aba3e25717850c26c9cd0d89d",
    [all]: "4916d6bdb7f78e6803698cab32d1586ea457dfc8",
  };
  const engine = new LuaEngine();
  for (const [text, hash] of Object.entries(hashes)) {
    assertEquals(run(engine, `return redis.sha1hex(${text})`).reply, `$40\r\n${hash}\r\n`);
  }
});
