/** Every command as a process, on a healthy cluster. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { DATA_COMMANDS, look, LOOKING_COMMANDS, runAll, writeLines } from "./cli_commands.ts";
import { cli, shell } from "./cli_process.ts";
import { sharedClusterTest } from "./harness.ts";

sharedClusterTest("cli: a healthy cluster", {}, {
  "every command ends with 0": async (cluster) => {
    writeLines(cluster);
    await runAll(cluster, 0, /^/);
  },
  "status, check and top name the leader and no fault": async (cluster) => {
    // A busy machine's disks may earn a warning.
    const { status, check, top } = await look(cluster, [0, 5]);
    const leader = await cluster.waitForLeader();
    assertMatch(status!, new RegExp(`^leader: server ${leader.id}, term \\d+$`, "m"));
    assertEquals(status!.match(/^ +\d {2}127\.0\.0\.1:\d+ .* (leader|follower) /gm)?.length, 3);
    assertMatch(check!, /^ok {7}servers: all 3 answer$/m);
    assertMatch(check!, new RegExp(`^ok       leader: server ${leader.id}, `, "m"));
    assertMatch(check!, /^ok {7}versions: all run /m);
    assertMatch(check!, /file system: server 1/);
    assertMatch(top!, new RegExp(`leader ${leader.id}, term`));
  },
  "what is printed is what is there": async (cluster) => {
    const out = async (...args: string[]) => (await cli(cluster, args)).out;
    await cli(cluster, ["delete", "k"]);
    const first = /^OK (\d+)\n$/.exec(await out("set", "k", "v"))?.[1];
    if (first === undefined) throw new Error("no version");
    assertEquals(await out("get", "k"), "v");
    assertEquals(
      await out("get", "k", "--output", "json"),
      `{"key":"k","value":"v","version":${first}}\n`,
    );
    assertMatch(await out("getm", "k"), /^KEY {2}VERSION {2}TTL {2}VALUE\nk +\d+ +- {2}v\n$/);
    assertMatch(await out("set", "t", "v", "--ttl", "1h"), /^OK/);
    assertMatch(await out("getm", "t"), /^t +\d+ +(1h00m|59m\d\ds) {2}v$/m);
    assertEquals(await out("cas", "k", first, "w", "--output", "raw"), `${Number(first) + 1}\n`);
    await out("delete", "c");
    assertEquals([await out("incr", "c"), await out("incr", "c", "-5")], ["1\n", "-4\n"]);
    assertEquals(
      await out("keys", "[ck]", "--output", "json"),
      await out("keys", "[ck]")
        .then((text) => text.trim().split("\n").map((key) => `{"key":"${key}"}\n`).join("")),
    );
  },
  "no such key, and another version, are exit code 1 and one sentence": async (cluster) => {
    await cli(cluster, ["set", "k", "v"]);
    const cases: [string[], string][] = [
      [["get", "none"], "there is no key none"],
      [["getm", "none", "k"], "there is no key none"],
      [["delete", "none", "nor"], "there are no keys none, nor"],
      [["cas", "k", "0", "v"], "the key k is there already: nothing was changed"],
      [["cas", "k", "999", "v"], "the key k has another version than 999: nothing was changed"],
      [["cas", "none", "5", "v"], "there is no key none"],
    ];
    for (const [args, sentence] of cases) {
      const { code, error } = await cli(cluster, args);
      assertEquals([code, error], [1, `raftkv: ${sentence}\n`]);
    }
    const word = await cli(cluster, ["incr", "k"]);
    assertEquals(word.code, 1);
    assertMatch(word.error, /not an integer/);
  },
  "a write whose answer can't be printed is told to be done, exit code 6": async (cluster) => {
    await cli(cluster, ["delete", "full", "once", "sum"]);
    const full = (line: string) => shell(cluster, ["sh", "-c", `raftkv ${line} >/dev/full`]);
    const cases: [string, RegExp][] = [
      ["set full v", /; it was done all the same: the value is set, version \d+$/],
      ["cas once 0 w", /; it was done all the same: the value is set, version \d+$/],
      ["incr sum", /; it was done all the same: the counter is 1$/],
      ["delete sum", /; 1 key deleted all the same, up to sum$/],
      ["get full", /left on device$/],
      ["getm full", /left on device$/],
      ["keys", /left on device$/],
      ["dump", /left on device$/],
      ["status", /left on device$/],
      ["check", /left on device$/],
      ["config check", /left on device$/],
      ["inspect data/1", /left on device$/],
      ["verify data/1", /left on device$/],
      ["--help", /left on device$/],
    ];
    for (const [line, sentence] of cases) {
      const { code, error } = await full(line);
      assertEquals([line, code], [line, 6], error);
      assertMatch(error.trimEnd(), sentence);
      assertMatch(error, /Cannot write to standard output: /);
    }
    assertEquals((await cli(cluster, ["get", "full"])).out, "v");
    assertEquals((await cli(cluster, ["get", "once"])).out, "w");
  },
  "status of a log port asks whether it is a client port": async (cluster) => {
    const address = `127.0.0.1:${cluster.servers[0]!.logPort}`;
    const { code, out } = await cli(cluster, ["status", "--servers", address]);
    assertEquals(code, 3, out);
    assertMatch(out, /it closed the connection: is this a client port, and does it speak TLS/);
    assert(!out.includes("outcome"), out);
  },
  "values are bytes: all of them, from standard input, a file, and back": async (cluster) => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, at) => (at * 7) % 256);
    Deno.writeFileSync(`${cluster.directory}/value.bin`, bytes);
    assertEquals((await cli(cluster, ["set", "f", "--file", "value.bin"])).code, 0);
    assertEquals((await cli(cluster, ["get", "f"])).bytes, bytes);
    assertEquals((await cli(cluster, ["set", "s", "-"], { input: bytes })).code, 0);
    assertEquals((await cli(cluster, ["get", "s"])).bytes, bytes);
    assertEquals((await cli(cluster, ["set", "e"], { input: "" })).code, 0);
    assertEquals((await cli(cluster, ["get", "e"])).bytes.length, 0);
    const gone = await cli(cluster, ["set", "f", "--file", "gone.bin"]);
    assertEquals([gone.code, gone.error.includes("there is no such file")], [6, true]);
    const large = await cli(cluster, ["set", "f", "-"], { input: new Uint8Array(1_048_577) });
    assertEquals(large.code, 1, large.error);
    assertMatch(large.error, /refused by 127\.0\.0\.1:\d+/);
  },
  "variables stand for flags, and a flag goes before them": async (cluster) => {
    const servers = cluster.servers.map(({ clientPort }) => `127.0.0.1:${clientPort}`).join(",");
    const environment = { RAFTKV_SERVERS: servers, RAFTKV_OUTPUT: "json", RAFTKV_TIMEOUT: "9s" };
    const at = { directory: "/", environment };
    await cli(cluster, ["set", "k", "v"], at);
    assertMatch((await cli(cluster, ["get", "k"], at)).out, /^\{"key":"k","value":"v",/);
    assertEquals((await cli(cluster, ["get", "k", "--output", "raw"], at)).out, "v");
    const nowhere = { ...at, environment: { ...environment, RAFTKV_SERVERS: "127.0.0.1:1" } };
    assertEquals((await cli(cluster, ["get", "k", "--timeout", "300ms"], nowhere)).code, 3);
    assertEquals((await cli(cluster, ["get", "k", "--servers", servers], nowhere)).code, 0);
  },
  "dump and load: every byte and the time to live come back": async (cluster) => {
    const value = Uint8Array.from({ length: 256 }, (_, at) => at);
    await cli(cluster, ["set", "bytes", "-"], { input: value });
    await cli(cluster, ["set", "brief", "x", "--ttl", "1h"]);
    for (const key of ["a b", "\u00e4\u{1f389}", "line\nend", "-"]) {
      assertEquals((await cli(cluster, ["set", "--", key, key])).code, 0);
    }
    const before = await cli(cluster, ["dump"]);
    assertEquals(before.code, 0);
    assertMatch(before.error, /^raftkv: \d+ keys, not one moment: /);
    const keys = before.out.trimEnd().split("\n").map((line) => JSON.parse(line));
    assert(keys.length >= 6);
    for (const { key } of keys) await cli(cluster, ["delete", "--", key]);
    assertEquals((await cli(cluster, ["keys"])).out, "");
    const loaded = await cli(cluster, ["load", "-"], { input: before.bytes });
    assertEquals([loaded.code, loaded.out], [0, ""]);
    assertMatch(loaded.error, new RegExp(`^raftkv: ${keys.length} lines loaded in `));
    assertEquals((await cli(cluster, ["get", "bytes"])).bytes, value);
    const after = await cli(cluster, ["dump", "--file", "new.json"]);
    assertEquals([after.code, after.out], [0, ""]);
    const text = Deno.readTextFileSync(`${cluster.directory}/new.json`);
    const simple = (lines: string) =>
      lines.trimEnd().split("\n").map((line) => {
        const { version: _, ttlMs, ...rest } = JSON.parse(line);
        return JSON.stringify({ ...rest, isBrief: ttlMs > 3_000_000 && ttlMs <= 3_600_000 });
      }).sort();
    assertEquals(simple(text), simple(before.out));
    assertEquals((await cli(cluster, ["dump", "--file", "new.json"])).code, 6);
  },
  "load takes what redis-cli --pipe takes, and stops at what is wrong": async (cluster) => {
    const resp = (...args: string[]) =>
      `*${args.length}\r\n` + args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join("");
    const input = resp("SET", "r", "1") + resp("INCR", "r") + resp("MSET", "p", "1", "q", "2");
    const good = await cli(cluster, ["load", "-"], { input });
    assertEquals([good.code, (await cli(cluster, ["get", "r"])).out], [0, "2"], good.error);
    const bad = await cli(cluster, ["load", "-"], { input: input + resp("MULTI") + input });
    assertEquals(bad.code, 6);
    assertMatch(
      bad.error,
      /command 4: MULTI can't be loaded: .*; commands 1 to 3 are done; .*--from 4/,
    );
    assertEquals((await cli(cluster, ["get", "r"])).out, "2");
    const refused = await cli(cluster, ["load", "-"], {
      input: resp("INCR", "p") + resp("INCR", "w"),
    });
    assertEquals(refused.code, 0, refused.error);
    await cli(cluster, ["set", "w", "word"]);
    const word = await cli(cluster, ["load", "-"], {
      input: resp("INCR", "p") + resp("INCR", "w"),
    });
    assertEquals(word.code, 1);
    assertMatch(
      word.error,
      /command 2: .*not an integer.*; commands 1 to 1 are done; everything else/,
    );
    const again = await cli(cluster, ["load", "-", "--from", "2"], {
      input: resp("X") + resp("INCR", "p"),
    });
    // A command before --from is passed over unread by its meaning, not unread at all.
    assertEquals(again.code, 6);
  },
  "inspect, verify and config check see the directory of a server that runs": async (cluster) => {
    const directory = cluster.server(1).dataDirectory;
    assertEquals((await cli(cluster, ["inspect", directory])).code, 0);
    assertMatch(
      (await cli(cluster, ["config", "check"])).out,
      /cluster\.json: 3 servers, no faults/,
    );
    const compared = await cli(cluster, ["config", "check", "--data", directory]);
    assertEquals([compared.code, compared.error], [0, ""]);
  },
  "a wrong flag is exit code 2 before anybody is asked": async (cluster) => {
    for (const command of [...DATA_COMMANDS, ...LOOKING_COMMANDS, ["completion", "bash"]]) {
      const { code, out, error } = await cli(cluster, [...command, "--bogus"]);
      assertEquals([code, out], [2, ""]);
      assertMatch(error, /^raftkv: there is no flag --bogus[^\n]* Try raftkv \w+ --help\n$/);
    }
  },
});
