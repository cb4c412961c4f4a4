/** `raftkv inspect` and `raftkv verify` as processes see them: text, JSON, exit codes. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runCommandLine } from "../../lib/cli/app.ts";
import { DenoDisk } from "../../lib/host/deno_disk.ts";
import type { HostProcess } from "../../lib/host/process.ts";
import type { PersistBatch } from "../../lib/raft/types.ts";
import { assemble, makeBody } from "../storage/backup_helpers.ts";
import { batch, CLUSTER, entry, openFormed, vote } from "../storage/helpers.ts";
import { untilClosed } from "../storage/late_locks.ts";
import { makeRoot } from "../storage/temporary.ts";
import { command as inMemory } from "./fakes.ts";

/** Runs a command line; returns exit code and both outputs. */
async function command(...args: string[]) {
  return await commandInto(true, ...args);
}

/** `isRead`: somebody takes standard output. */
async function commandInto(isRead: boolean, ...args: string[]) {
  const said = { code: 0, out: "", error: "" };
  const host: HostProcess = {
    args,
    environment: () => undefined,
    writeOut(text) {
      if (isRead) said.out += text;
      return isRead;
    },
    writeError: (text) => void (said.error += text),
    errorIsTerminal: false,
    readTextFile: () => null,
    onSignal() {},
    onUncaughtError() {},
    exit(code) {
      throw new Error(`exit ${code}`);
    },
  };
  said.code = await runCommandLine(host);
  return said;
}

/** A data directory on the real disk, left open where `close` is false. */
async function makeDirectory(close = true) {
  const root = makeRoot();
  const disk = new DenoDisk(root);
  await disk.prepareLock("1/lock");
  const { directory, log } = openFormed(disk, { segmentBytesMax: 4096, reserveBytes: 100 });
  const persist = (one: PersistBatch) =>
    new Promise<void>((resolve, reject) => {
      log.persist(one, (error) => error === null ? resolve() : reject(error));
    });
  await persist(batch(vote(2, 1), entry(1, 2), entry(2, 2)));
  if (close) directory.close();
  return { directory, path: `${root}/1`, segment: `${root}/1/wal/0000000000000001.log` };
}

Deno.test("inspect and verify end as the other commands do where nobody reads them any more", async () => {
  const { path, segment } = await makeDirectory();
  for (const args of [["inspect"], ["inspect", "--json"], ["verify"]]) {
    const { code, error } = await commandInto(false, ...args, path);
    assertEquals([code, error], [141, ""], args.join(" "));
  }
  const bytes = Deno.readFileSync(segment);
  bytes[bytes.length - 1]! ^= 1;
  Deno.writeFileSync(segment, bytes);
  const { code, error } = await commandInto(false, "verify", path);
  assertEquals([code, error], [141, ""], "what it found is not told to anybody");
});

Deno.test("inspect shows a directory as text, and with --json as one document", async () => {
  const { path } = await makeDirectory();
  const text = await command("inspect", path);
  assertEquals([text.code, text.error], [0, ""]);
  for (
    const part of [path, CLUSTER, "entries 1 to 2", "voted for 1", "no snapshots", "no damage"]
  ) {
    assertStringIncludes(text.out, part);
  }
  assert(!text.out.includes("synced up to"));
  const records = await command("inspect", "--records", path);
  assertStringIncludes(records.out, "1 to 2, term 2");
  assertStringIncludes(records.out, "synced up to");
  const { out, code } = await command("inspect", "--json", path);
  assertEquals(code, 0);
  const report = JSON.parse(out);
  assertEquals(report.path, path);
  assertEquals(report.log.lastIndex, 2);
  assertEquals(report.problems, []);
  assertEquals(report.isServerRunning, false);
});

Deno.test("verify ends with 0 where all is well, with 1 and a sentence where it is not", async () => {
  const { path, segment } = await makeDirectory();
  const before = Deno.readFileSync(segment);
  const good = await command("verify", `${path}/`);
  assertEquals([good.code, good.error], [0, ""]);
  assertStringIncludes(good.out, "all checksums are right");
  assertEquals(Deno.readFileSync(segment), before);

  const torn = before.slice();
  torn.fill(9, torn.findLastIndex((byte) => byte !== 0) + 1, 3000);
  Deno.writeFileSync(segment, torn);
  const suspect = await command("verify", path);
  assertEquals(suspect.code, 0);
  assertStringIncludes(suspect.out, "note: ");

  const damaged = before.slice();
  damaged[150]! ^= 1;
  Deno.writeFileSync(segment, damaged);
  const bad = await command("verify", path);
  assertEquals(bad.code, 1);
  assertStringIncludes(bad.out, "0000000000000001.log, byte ");
  assertStringIncludes(bad.error, "1 fault found");
  assertEquals(Deno.readFileSync(segment), damaged);
});

/** Every path that is printed of what is in `root`, however deep. */
function pathsIn(text: string): string[] {
  return [...text.matchAll(/[^\s"]*\/1(?:\/[^\s",:()]+)*/g)].map(([path]) =>
    path.replace(/\.$/, "")
  );
}

Deno.test("every path that inspect and verify print works where it is read", async () => {
  const { path, segment } = await makeDirectory();
  const root = path.slice(0, -2);
  Deno.writeTextFileSync(`${path}/formation.new`, "");
  Deno.writeTextFileSync(`${path}/wal/0000000000000007.log.spare`, "");
  Deno.mkdirSync(`${path}/lost+found`);
  const damaged = Deno.readFileSync(segment);
  damaged[150]! ^= 1;
  Deno.writeFileSync(segment, damaged);
  const up = Deno.cwd().split("/").slice(1).map(() => "..").join("/");
  for (const given of [path, `${path}/`, `${path}//`, `${up}${path}`, `${root}/./1`]) {
    for (const verb of [["verify"], ["inspect"], ["inspect", "--json"], ["inspect", "--records"]]) {
      const { out, error } = await command(...verb, given);
      const printed = pathsIn(out + error);
      const note = `${verb.join(" ")} ${given}: ${out}${error}`;
      assert(printed.length >= (verb.length === 1 ? 4 : 8), note);
      for (const one of printed) {
        assert(one.startsWith(given.replace(/\/+$/, "")), `${one} of ${note}`);
        Deno.lstatSync(one);
      }
    }
  }
});

Deno.test("verify has nothing against what a crash before the first identity leaves", async () => {
  const path = `${makeRoot()}/1`;
  Deno.mkdirSync(path);
  for (const name of ["lock", "identity.new"]) Deno.writeTextFileSync(`${path}/${name}`, "");
  const { code, out, error } = await command("verify", path);
  assertEquals([code, error], [0, ""], out);
  assertStringIncludes(out, "No server has been started here yet");
  Deno.removeSync(`${path}/identity.new`);
  assertEquals((await command("verify", path)).code, 0, "the lock, which is made first");
});

Deno.test("inspect and verify say so where a server has the directory open", async () => {
  const { path, directory } = await makeDirectory(false);
  for (const verb of ["inspect", "verify"]) {
    const { code, out } = await command(verb, path);
    assertEquals(code, 0);
    assertStringIncludes(out, "server is running here");
  }
  directory.close();
  assert(!(await command("verify", path)).out.includes("server is running"));
  await untilClosed(`${path}/lock`);
});

Deno.test("a directory that is not there is one sentence, exit code 6, and none is made", async () => {
  const path = `${makeRoot()}/nowhere/1`;
  for (const verb of ["inspect", "verify"]) {
    const { code, error } = await command(verb, path);
    assertEquals(code, 6);
    const what = verb === "verify" ? "file or directory" : "directory";
    assertEquals(error.trim(), `raftkv: There is no ${what} ${path}`);
  }
  assertEquals((await command("inspect")).code, 2);
  let found = true;
  try {
    Deno.statSync(path);
  } catch {
    found = false;
  }
  assertEquals(found, false);
});

Deno.test("inspect and verify refuse what is no server's data directory, and say which was meant", async () => {
  const { path } = await makeDirectory();
  const root = path.slice(0, -2);
  Deno.mkdirSync(`${root}/2`);
  Deno.writeTextFileSync(`${root}/2/identity`, "");
  Deno.mkdirSync(`${root}/empty`);
  const why = "this is no server's data directory";
  const cases = [
    [root, `${root}: ${why}: did you mean ${root}/1, ${root}/2?`],
    [`${path}/wal`, `${path}/wal: ${why}: did you mean ${path}?`],
    [`${root}/empty/`, `${root}/empty: ${why}`],
  ];
  for (const [given, sentence] of cases) {
    for (const verb of [["verify"], ["inspect"], ["inspect", "--json"]]) {
      const said = await command(...verb, given!);
      assertEquals(said, { code: 1, out: "", error: `raftkv: ${sentence}\n` });
    }
  }
});

Deno.test("config check refuses a directory that is no server's; one that is empty is fine", async () => {
  const { path } = await makeDirectory();
  const root = path.slice(0, -2);
  Deno.mkdirSync(`${root}/empty`);
  const servers = [{ id: 1, hostname: "127.0.0.1", clientPort: 9_000, logPort: 9_001 }];
  const files = { "c.json": JSON.stringify({ path: "data", servers }) };
  const check = (data: string) =>
    inMemory(["config", "check", "c.json", "--data", data], { files });
  const wrong = await check(root);
  assertEquals(wrong.code, 1);
  assertStringIncludes(
    wrong.out,
    `${root}: this is no server's data directory: did you mean ${path}?`,
  );
  for (const data of [`${root}/empty`, `${root}/nowhere`]) {
    const { code, out } = await check(data);
    assertEquals(code, 0, out);
    assertStringIncludes(out, `note: ${data} knows no cluster yet`);
  }
});

Deno.test("inspect and verify print names of files with controls in them as text", async () => {
  const { path } = await makeDirectory();
  Deno.writeTextFileSync(`${path}/a\x1b[2Jb`, "");
  for (const verb of ["inspect", "verify"]) {
    const { code, out } = await command(verb, path);
    assertEquals(code, 0);
    assert(!out.includes("\x1b"), out);
    assertStringIncludes(out, "a\\x1b[2Jb");
  }
});

Deno.test("verify knows a backup, says what it is, and names the bytes that are wrong", async () => {
  const path = `${makeRoot()}/friday.backup`;
  const bytes = assemble(makeBody(), 1000);
  Deno.writeFileSync(path, bytes);
  const good = await command("verify", path);
  assertEquals([good.code, good.error], [0, ""]);
  assertStringIncludes(good.out, `a backup of cluster ${CLUSTER} up to index 3 (term 2)`);
  assertStringIncludes(good.out, "from server 1 by raftkv 0.1.0");
  assertStringIncludes(good.out, `12 keys, ${bytes.length} bytes, all checksums are right`);
  bytes[bytes.length - 1]! ^= 1;
  Deno.writeFileSync(path, bytes);
  const bad = await command("verify", path);
  assertEquals(bad.code, 1);
  const [from, to] = [bytes.length - 52, bytes.length - 1];
  assertStringIncludes(bad.out, `${path} is damaged at bytes ${from} to ${to}: its end is damaged`);
  assertStringIncludes(bad.error, `${path}: 1 fault found`);
  Deno.writeTextFileSync(path, "once upon a time there was a file that is no backup at all");
  const other = await command("verify", path);
  assertEquals(other.code, 1);
  assertStringIncludes(other.out, "this is no backup: it does not begin with RAFTKVBK");
});
