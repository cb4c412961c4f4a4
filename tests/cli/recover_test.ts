/** `raftkv recover` and `raftkv restore` on real directories: what they say, refuse and make. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { hashSeedOf } from "../../lib/node/peers/cluster_id.ts";
import { loadStore } from "../../lib/node/replica.ts";
import { DenoDisk } from "../../lib/host/deno_disk.ts";
import { type Entry, EntryKind, type PersistBatch } from "../../lib/raft/types.ts";
import { encodeConfiguration } from "../../lib/raft/configuration_codec.ts";
import { ENVELOPE_BYTES, writeEnvelope } from "../../lib/raft/envelope.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import type { FormationRecord } from "../../lib/storage/types.ts";
import { assemble, makeBody } from "../storage/backup_helpers.ts";
import { batch, CLUSTER, FORMED, INCARNATION, setEntry, vote } from "../storage/helpers.ts";
import { describeMembers } from "../raft/members.ts";
import { makeRoot } from "../storage/temporary.ts";
import { writeU32 } from "../../lib/util/bytes.ts";
import { checksum } from "../../lib/util/checksum.ts";
import { command, type Said } from "./fakes.ts";

const SEGMENT = "wal/0000000000000001.log";

interface Made {
  readonly path: string;
  /** Ends the server that has it open. */
  close(): void;
}

/** The directory of server `id` of a cluster of two, with so many entries; left open where asked for. */
async function makeCopy(
  root: string,
  id: number,
  entries: number,
  { term = 2, isOpen = false, formation = FORMED, more = [] }: {
    term?: number;
    isOpen?: boolean;
    formation?: FormationRecord;
    more?: readonly Entry[];
  } = {},
): Promise<Made> {
  const { disk, path } = DenoDisk.at(`${root}/${id}`);
  await disk.prepareLock(`${path}/lock`);
  const directory = DataDirectory.open(disk, {
    path,
    serverId: id,
    makeIncarnation: () => id === 1 ? INCARNATION : "aaaaaaaaaaaaaaaa",
    segmentBytesMax: 65_536,
    reserveBytes: 0,
  });
  directory.saveFormation({ ...formation, stage: "prepared" });
  directory.saveFormation(formation);
  const { log } = directory.openLog();
  const persist = (one: PersistBatch) =>
    new Promise<void>((resolve, reject) => {
      log.persist(one, (error) => error === null ? resolve() : reject(error));
    });
  await persist(batch(vote(term, id)));
  for (let i = 1; i <= entries; i++) await persist(batch(null, setEntry(i, term)));
  for (const entry of more) await persist(batch(null, entry));
  await new Promise<void>((resolve) => log.markSynced(() => resolve()));
  const close = () => directory.close();
  if (!isOpen) close();
  return { path, close };
}

/** Every file below `path`, with its bytes. */
function filesIn(path: string): Record<string, Uint8Array> {
  const files: Record<string, Uint8Array> = {};
  for (const { name, isDirectory } of Deno.readDirSync(path)) {
    if (isDirectory) Object.assign(files, filesIn(`${path}/${name}`));
    else files[`${path}/${name}`] = Deno.readFileSync(`${path}/${name}`);
  }
  return files;
}

/** Opens a new directory as a server does. */
async function openMade(path: string, id: number) {
  const made = DenoDisk.at(path);
  await made.disk.prepareLock(`${made.path}/lock`);
  const directory = DataDirectory.open(made.disk, {
    path: made.path,
    serverId: id,
    makeIncarnation: () => "0".repeat(16),
    segmentBytesMax: 65_536,
    reserveBytes: 0,
  });
  const { members, clusterId } = directory.formation!;
  const { recovered } = directory.openLog({
    load: (file) => void loadStore({ hashSeed: hashSeedOf(members) }, file),
  });
  directory.close();
  return { members, clusterId, recovered };
}

function refused(said: Said, code: number, ...parts: string[]): void {
  for (const part of parts) assertStringIncludes(said.error, part);
  assertEquals(said.code, code, said.error);
  assert(!/\n\s+at /.test(said.error), "a stack trace");
  assertEquals(said.error.trim().split("\n").length, 1, said.error);
}

Deno.test("recover says what is there, and changes nothing; with --yes it makes a new directory", async () => {
  const root = makeRoot();
  const { path } = await makeCopy(root, 1, 12);
  const before = filesIn(root);
  const plan = await command(["recover", `${path}/`, "--as", "7"]);
  assertEquals([plan.code, plan.error], [0, ""]);
  for (
    const part of [
      "server 1 of a cluster of servers 1 and 2",
      CLUSTER,
      "last entry   12, of term 2",
      "nothing is known to be",
      'that were answered "unknown", or not at all',
      "whatever the others acknowledged after entry 12",
      "12 keys",
      `${root}/recovered/7`,
      "raftkv serve --id 7 --data",
      "Nothing was changed.",
    ]
  ) assertStringIncludes(plan.out, part);
  assertEquals(filesIn(root), before);

  const done = await command(["recover", path, "--as", "7", "--yes"]);
  assertEquals([done.code, done.error], [0, ""]);
  assertStringIncludes(done.out, "It holds 12 keys. Revisions continue with 1,000,000,013");
  const { [`${root}/recovered/7/lock`]: _, ...after } = filesIn(root);
  for (const [name, bytes] of Object.entries(before)) assertEquals(after[name], bytes, name);
  const { members, clusterId, recovered } = await openMade(`${root}/recovered/7`, 7);
  assertEquals(members.map(({ serverId }) => serverId), [7]);
  assert(clusterId !== CLUSTER);
  assertEquals(recovered.snapshot?.position, { index: 1_000_000_012, term: 3 });
  assertEquals(recovered.snapshot?.head.floor, 1_000_000_000);
  assertEquals((await command(["verify", `${root}/recovered/7`])).code, 0);
  refused(await command(["recover", path, "--as", "7", "--yes"]), 1, "recovered/7 is taken");
});

Deno.test("recover refuses what is no stopped server's directory, in one sentence each", async () => {
  const root = makeRoot();
  const { path, close } = await makeCopy(root, 1, 3, { isOpen: true });
  refused(await command(["recover", path]), 1, "a server is running here");
  refused(await command(["recover", path, "--yes"]), 1, "a server is running here");
  close();
  const all = [["recover", root], ["recover", `${path}/wal`]];
  for (const args of all) refused(await command(args), 1, "no server's data directory");
  Deno.mkdirSync(`${root}/empty`);
  refused(await command(["recover", `${root}/empty`]), 1, "no server's data directory");
  refused(await command(["recover", `${root}/nowhere`]), 6, "There is no directory");
  Deno.writeTextFileSync(`${root}/file`, "no directory");
  refused(await command(["recover", `${root}/file`]), 1, "is a file", "raftkv restore");
  refused(await command(["recover", path, "--as", "0"]), 2, "--as");
  refused(await command(["recover", path, "--gap", "0", "--yes"]), 2, "--gap");
  refused(await command(["recover"]), 2, "directory");
  refused(await command(["recover", path, `${root}/2`]), 2, "--compare");
  // What is left after the gap has to last: a server that runs out of numbers is lost.
  for (const gap of [Number.MAX_SAFE_INTEGER, 2 ** 52 - 2]) {
    const args = ["recover", path, "--gap", `${gap}`];
    refused(await command(args), 1, "above 2^52", "too few would be left");
    refused(await command([...args, "--yes"]), 1, "above 2^52", "too few would be left");
  }
  assertEquals(filesBelow(`${root}/recovered`), []);
  assertEquals((await command(["recover", path, "--gap", `${2 ** 52 - 3}`])).code, 0);
  const unformed = DenoDisk.at(`${root}/5`);
  await unformed.disk.prepareLock(`${unformed.path}/lock`);
  DataDirectory.open(unformed.disk, {
    path: unformed.path,
    serverId: 5,
    makeIncarnation: () => INCARNATION,
    segmentBytesMax: 65_536,
    reserveBytes: 0,
  }).close();
  refused(
    await command(["recover", unformed.path]),
    1,
    "no server has formed its cluster here yet",
  );
});

Deno.test("recover and restore make nothing in a server's directory: what is read never changes", async () => {
  const root = makeRoot();
  const { path } = await makeCopy(root, 1, 3);
  const { path: other } = await makeCopy(root, 2, 3);
  const file = writeBackup(root);
  const before = filesIn(root);
  for (const data of [path, `${path}/`, `${path}/new/deep`, other, `${other}/wal`]) {
    for (const more of [[], ["--yes"]]) {
      const said = await command(["recover", path, "--as", "7", "--data", data, ...more]);
      refused(said, 1, "the data directory of a server", "choose another --data");
    }
    const said = await command(["restore", file, "--data", data, "--id", "7"]);
    refused(said, 1, "the data directory of a server", "choose another --data");
  }
  assertEquals(filesIn(root), before);
  assertEquals((await command(["recover", path, "--as", "7", "--data", root, "--yes"])).code, 0);
});

Deno.test("recover refuses a directory of an unknown version, and one whose identity is damaged", async () => {
  const root = makeRoot();
  const { path } = await makeCopy(root, 1, 3);
  const identity = Deno.readFileSync(`${path}/identity`);
  const damaged = identity.slice();
  damaged[42]! ^= 1;
  Deno.writeFileSync(`${path}/identity`, damaged);
  refused(await command(["recover", path]), 1, "whose directory this is");
  Deno.removeSync(`${path}/identity`);
  refused(await command(["recover", path]), 1, `${path}/identity: the file is missing`);
  Deno.writeFileSync(`${path}/identity`, identity);
  const segment = Deno.readFileSync(`${path}/${SEGMENT}`);
  // As a later build may write it.
  const later = segment.slice();
  later[8] = 9;
  writeU32(later, 36, checksum(later.subarray(0, 36)));
  Deno.writeFileSync(`${path}/${SEGMENT}`, later);
  refused(await command(["recover", path, "--yes"]), 1, "version 9", "Run the build that wrote it");
});

Deno.test("recover refuses entries of a later build", async () => {
  const root = makeRoot();
  const later = setEntry(4, 2);
  later.data[ENVELOPE_BYTES + 4] = 60;
  const { path } = await makeCopy(root, 1, 3, { more: [later] });
  const said = await command(["recover", path, "--yes"]);
  refused(said, 1, "Entry 4 of the log", "Run the build that wrote it");
  assertEquals(filesBelow(`${root}/recovered`), []);
});

Deno.test("recover refuses damage, names who may have what is lost; --accept-loss takes the rest", async () => {
  const root = makeRoot();
  const { path } = await makeCopy(root, 1, 12);
  const segment = Deno.readFileSync(`${path}/${SEGMENT}`);
  const at = new TextDecoder("latin1").decode(segment).indexOf("value 9");
  segment[at]! ^= 1;
  Deno.writeFileSync(`${path}/${SEGMENT}`, segment);
  const before = filesIn(path);
  const said = await command(["recover", path, "--yes"]);
  refused(said, 1, "is damaged", "server 2", "--compare", "--accept-loss");
  assertStringIncludes(said.out, "entries 9 to 12, which can't be read here");
  const plan = await command(["recover", path, "--accept-loss"]);
  assertStringIncludes(plan.out, "The entries before the damage are taken");
  assertStringIncludes(plan.out, "up to entry 8.\n");
  assert(!plan.out.includes("All entries that are here"), plan.out);
  const done = await command(["recover", path, "--yes", "--accept-loss", "--data", `${root}/new`]);
  assertEquals([done.code, done.error], [0, ""]);
  assertStringIncludes(done.out, "It holds 8 keys");
  assertEquals(filesIn(path), before);
  const { recovered } = await openMade(`${root}/new/1`, 1);
  // The gap begins after all that was ever seen here.
  assertEquals(recovered.snapshot?.position.index, 1_000_000_012);
});

Deno.test("recover of a damaged log: who may have what is lost is what the log says after the damage, too", async () => {
  const root = makeRoot();
  const payload = encodeConfiguration(describeMembers({ voters: [1, 2, 7] }));
  const data = new Uint8Array(ENVELOPE_BYTES + payload.length);
  writeEnvelope(data, EntryKind.configuration, 1);
  data.set(payload, ENVELOPE_BYTES);
  const formation = { ...FORMED, members: FORMED.members.slice(0, 1) };
  const more = [{ index: 13, term: 2, data }];
  const { path } = await makeCopy(root, 1, 12, { formation, more });
  assertStringIncludes((await command(["recover", path])).out, "a cluster of servers 1, 2 and 7");
  const segment = Deno.readFileSync(`${path}/${SEGMENT}`);
  segment[500]! ^= 1;
  Deno.writeFileSync(`${path}/${SEGMENT}`, segment);
  const said = await command(["recover", path]);
  refused(said, 1, "is damaged", "A copy of the directory of servers 2 and 7 may have");
});

Deno.test("recover of a server that votes no more does not call it its whole cluster", async () => {
  const root = makeRoot();
  const payload = encodeConfiguration(describeMembers({ voters: [7] }));
  const data = new Uint8Array(ENVELOPE_BYTES + payload.length);
  writeEnvelope(data, EntryKind.configuration, 1);
  data.set(payload, ENVELOPE_BYTES);
  const { path } = await makeCopy(root, 1, 12, { more: [{ index: 13, term: 2, data }] });
  const { out } = await command(["recover", path]);
  assertStringIncludes(out, "server 1 of a cluster of server 7");
  assert(!out.includes("whole cluster"), out);
  assertStringIncludes(out, "whatever the others acknowledged after entry 13");
});

Deno.test("recover says of a torn end that the server may have lost what it had acknowledged", async () => {
  const root = makeRoot();
  const { path } = await makeCopy(root, 1, 12);
  const segment = Deno.readFileSync(`${path}/${SEGMENT}`);
  const end = segment.findLastIndex((byte) => byte !== 0) + 1;
  segment.fill(7, end + 10, end + 90);
  Deno.writeFileSync(`${path}/${SEGMENT}`, segment);
  const said = await command(["recover", path]);
  assertEquals([said.code, said.error], [0, ""]);
  assertStringIncludes(said.out, "suspect: a crash tore the end of its log");
});

Deno.test("recover --compare takes the later term before the longer log, and sound ones first", async () => {
  const root = makeRoot();
  const long = await makeCopy(root, 1, 30, { term: 2 });
  const late = await makeCopy(root, 2, 9, { term: 5 });
  const said = await command(["recover", "--compare", long.path, late.path, `${root}/nowhere`]);
  assertEquals([said.code, said.error], [0, ""]);
  assertStringIncludes(said.out, `Take ${late.path}: it ends with entry 9 of term 5`);
  assertMatch(said.out, /nowhere +- +- +- +- +- +There is no directory/);
  Deno.writeTextFileSync(`${root}/file`, "no directory");
  const strange = await command(
    ["recover", "--compare", `${root}/file`, `${root}/file/1`, late.path],
  );
  assertEquals(strange.code, 0, strange.error);
  assertMatch(strange.out, /file +- .*is a file/);
  assertMatch(strange.out, /file\/1 +- .*Could not look for /);
  const none = await command(["recover", "--compare", `${root}/file`, `${root}/nowhere`]);
  assertEquals(none.code, 1);
  assertStringIncludes(none.out, "None of these can be taken: STATE says why not.");
  const alone = await command(["recover", "--compare", long.path]);
  assertStringIncludes(alone.out, "of server 2 there is no copy among these");
  const segment = Deno.readFileSync(`${late.path}/${SEGMENT}`);
  segment[new TextDecoder("latin1").decode(segment).indexOf("value 9")]! ^= 1;
  Deno.writeFileSync(`${late.path}/${SEGMENT}`, segment);
  const damaged = await command(["recover", "--compare", late.path, long.path]);
  assertStringIncludes(damaged.out, `Take ${long.path}: it ends with entry 30 of term 2`);
  assertStringIncludes(damaged.out, `${late.path} goes further`);
  const other = makeRoot();
  const clusterId = "f".repeat(32);
  const stranger = await makeCopy(other, 1, 40, { formation: { ...FORMED, clusterId } });
  const mixed = await command(["recover", "--compare", long.path, stranger.path]);
  assertEquals(mixed.code, 1);
  assertStringIncludes(mixed.out, "of different clusters");
  refused(await command(["recover", "--compare", long.path, "--yes"]), 2, "--compare only looks");
});

function writeBackup(root: string): string {
  const file = `${root}/friday.backup`;
  Deno.writeFileSync(file, assemble(makeBody(), 1_000));
  return file;
}

Deno.test("restore makes one server's directory of a backup, and refuses a damaged one", async () => {
  const root = makeRoot();
  const file = writeBackup(root);
  const done = await command(["restore", file, "--data", `${root}/new`, "--id", "1"]);
  assertEquals([done.code, done.error], [0, ""]);
  assertStringIncludes(done.out, "It holds 12 keys. Revisions continue with 1,000,000,004");
  const { members, recovered } = await openMade(`${root}/new/1`, 1);
  assertEquals(members.length, 1);
  assertEquals(recovered.snapshot?.position, { index: 1_000_000_003, term: 3 });
  assertEquals(recovered.hardState.suspect, false);
  const again = await command(["restore", file, "--data", `${root}/new`, "--id", "1"]);
  refused(again, 1, "new/1 is taken");
  const bytes = Deno.readFileSync(file);
  for (const [at, place] of [[bytes.length - 40, "end"], [400, "middle"], [50, "head"]] as const) {
    const damaged = bytes.slice();
    damaged[at]! ^= 4;
    Deno.writeFileSync(`${root}/damaged`, damaged);
    const said = await command(["restore", `${root}/damaged`, "--data", `${root}/no`, "--id", "1"]);
    refused(said, 1, "is damaged at bytes");
    assertEquals(filesBelow(`${root}/no`), [], place);
  }
  Deno.writeFileSync(`${root}/short`, bytes.subarray(0, bytes.length >> 1));
  const short = await command(["restore", `${root}/short`, "--data", `${root}/no`, "--id", "1"]);
  refused(short, 1, "is damaged at bytes");
  Deno.writeFileSync(`${root}/empty`, new Uint8Array());
  const directory = await command(["restore", root, "--data", `${root}/no`, "--id", "1"]);
  refused(directory, 6, "it is a directory; a backup is one file");
  const empty = await command(["restore", `${root}/empty`, "--data", `${root}/no`, "--id", "1"]);
  refused(empty, 1, "short");
  assert(!empty.error.includes(".."), empty.error);
  assertEquals(filesBelow(`${root}/no`), []);
});

function filesBelow(path: string): string[] {
  try {
    return Object.keys(filesIn(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

Deno.test("restore and recover print commands that a shell takes as they are", async () => {
  const root = makeRoot();
  const file = `${root}/it's friday.backup`;
  Deno.writeFileSync(file, assemble(makeBody(), 1_000));
  const data = `${root}/new data`;
  const done = await command(["restore", file, "--data", data, "--id", "1", "--servers", "1,2"]);
  assertEquals([done.code, done.error], [0, ""]);
  assertStringIncludes(
    done.out,
    `raftkv restore '${root}/it'\\''s friday.backup' --data DIR --id 2`,
  );
  assertStringIncludes(done.out, `raftkv serve --id 1 --data '${data}'\n`);
  const plan = await command(["recover", `${data}/1`]);
  assertStringIncludes(plan.out, `raftkv serve --id 1 --data '${data}/recovered'\n`);
});

Deno.test("restore with --servers makes the same cluster by a command each, of suspect servers", async () => {
  const root = makeRoot();
  const file = writeBackup(root);
  const restore = (id: number, ...more: string[]) =>
    command(["restore", file, "--data", `${root}/${id}`, "--id", `${id}`, ...more]);
  const first = await restore(1, "--servers", "3,1,2");
  assertEquals([first.code, first.error], [0, ""]);
  const token = /--id 2 --servers 1,2,3 --token ([0-9a-f]{32})/.exec(first.out)?.[1] ?? "";
  assert(token !== "", first.out);
  const shared = ["--servers", "1,2,3", "--token", token];
  for (const id of [2, 3]) assertEquals((await restore(id, ...shared)).code, 0);
  // Nothing was torn there.
  const plan = await command(["recover", `${root}/1/1`]);
  assertStringIncludes(
    plan.out,
    "suspect: a crash tore the end of its log once, or it was made by",
  );
  const compared = await command(["recover", "--compare", `${root}/1/1`]);
  assertStringIncludes(compared.out, "suspect: torn by a crash once, or made by restore");
  const made = await Promise.all([1, 2, 3].map((id) => openMade(`${root}/${id}/${id}`, id)));
  for (const { clusterId, members, recovered } of made) {
    assertEquals(clusterId, made[0]!.clusterId);
    assertEquals(members, made[0]!.members);
    assertEquals(recovered.hardState.suspect, true);
    assertEquals(recovered.snapshot, made[0]!.recovered.snapshot);
  }
  assertEquals(new Set(made[0]!.members.map(({ incarnation }) => incarnation)).size, 3);
  // What differs in anything that they must agree on is another cluster.
  assertEquals((await restore(4, "--servers", "1,2,4", "--token", token)).code, 0);
  assert((await openMade(`${root}/4/4`, 4)).clusterId !== made[0]!.clusterId);
  refused(await restore(5, ...shared), 2, "does not name --id 5");
  refused(await restore(5, "--token", token), 2, "--servers");
  refused(await restore(5, "--servers", "5,6", "--token", "abc"), 2, "is no token");
  refused(await restore(5, "--servers", "5,5"), 2, "names one twice");
});
