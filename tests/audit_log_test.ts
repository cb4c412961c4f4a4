/** The audit log's files: whole lines, several files, and what becomes of lines that the disk does not take. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { AuditLog } from "../lib/audit_log.ts";
import type { AuditConfig } from "../lib/config_audit.ts";
import { RotatedFile } from "../lib/host/rotated_file.ts";
import { COMMAND_NUMBERS, commandNamed } from "../lib/kv/users/command_numbers.ts";
import type { LogEvent } from "../lib/node/api.ts";
import type { AuditEntry } from "../lib/wire/audit.ts";

const ENTRY: AuditEntry = {
  user: "bob",
  remote: "127.0.0.1:5000",
  command: "set",
  keys: 1,
  prefixes: ["app:"],
  isQueued: false,
  outcome: "done",
};

class Place {
  readonly root = Deno.makeTempDirSync({ prefix: "raftkv-audit-" });
  readonly path = `${this.root}/audit`;
  readonly file = `${this.path}/audit-3.log`;
  readonly events: LogEvent[] = [];

  open(more: Partial<AuditConfig> = {}): AuditLog {
    const audit = {
      path: this.path,
      fileBytesMax: 1_048_576,
      keep: 3,
      commands: ["@all"],
      ...more,
    };
    const clock = { monotonicMs: () => 0, wallMs: () => 1_800_000_000_000 };
    return new AuditLog({ audit, serverId: 3, clock, log: (event) => this.events.push(event) });
  }

  lines(file = this.file): Record<string, unknown>[] {
    return Deno.readTextFileSync(file).trimEnd().split("\n").map((line) => JSON.parse(line));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

Deno.test("audit log: a line for each entry, with time and server; the files are the owner's alone", async () => {
  using place = new Place();
  const log = place.open();
  log.note(ENTRY);
  log.note({
    ...ENTRY,
    user: null,
    command: "auth",
    keys: 0,
    prefixes: [],
    outcome: "refused",
    error: "WRONGPASS",
  });
  log.note({ ...ENTRY, command: "acl|setuser", target: "eve\n\u2028", keys: 0, prefixes: [] });
  log.note({ ...ENTRY, isQueued: true });
  await log.stop();
  const head = { time: "2027-01-15T08:00:00.000Z", server: 3, user: "bob", from: "127.0.0.1:5000" };
  assertEquals(place.lines(), [
    { ...head, command: "set", keys: 1, prefixes: ["app:"], outcome: "done" },
    { ...head, user: null, command: "auth", outcome: "refused", error: "WRONGPASS" },
    { ...head, command: "acl|setuser", target: "eve\n\u2028", outcome: "done" },
    { ...head, command: "set", keys: 1, prefixes: ["app:"], in: "exec", outcome: "done" },
  ]);
  assertEquals(Deno.statSync(place.file).mode! & 0o777, 0o600);
  assertEquals(Deno.statSync(place.path).mode! & 0o777, 0o700);
  assertEquals(log.facts, { written: 4, dropped: 0, isFailing: false });
});

Deno.test("audit log: lines are written without a stop, and a later process continues the file", async () => {
  using place = new Place();
  const first = place.open();
  first.note(ENTRY);
  while (first.facts.written === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(place.lines().length, 1);
  await first.stop();
  const second = place.open();
  second.note(ENTRY);
  await second.stop();
  assertEquals(place.lines().length, 2);
});

Deno.test("audit log: a full file gives way, and so many stay", async () => {
  using place = new Place();
  const file = new RotatedFile({ directory: place.path, name: "a", bytesMax: 10, keep: 3 });
  for (
    const text of ["11111\n", "222\n", "333\n", "44444444\n", "5\n", "66666666666666\n", "7\n"]
  ) {
    await file.append(new TextEncoder().encode(text));
  }
  file.close();
  const read = (name: string) => Deno.readTextFileSync(`${place.path}/${name}`);
  const names = [...Deno.readDirSync(place.path)].map(({ name }) => name).sort();
  assertEquals(names, ["a", "a.1", "a.2"]);
  assertEquals([read("a"), read("a.1"), read("a.2")], ["7\n", "66666666666666\n", "5\n"]);
  const alone = new RotatedFile({ directory: place.path, name: "b", bytesMax: 4, keep: 1 });
  for (const text of ["111\n", "222\n"]) await alone.append(new TextEncoder().encode(text));
  alone.close();
  assertEquals(read("b"), "222\n");
});

Deno.test("audit log: where it can't be written that is said once, lines wait, and are written later", async () => {
  using place = new Place();
  Deno.writeTextFileSync(place.path, "a file where the directory should be");
  const log = place.open();
  log.note(ENTRY);
  while (!log.facts.isFailing) await new Promise((resolve) => setTimeout(resolve, 20));
  log.note(ENTRY);
  assertEquals(place.events.length, 1);
  assertEquals(place.events[0]!.level, "error");
  assertMatch(`${place.events[0]!.fields.reason}`, /^Cannot write .*audit-3.log: /);
  Deno.removeSync(place.path);
  while (log.facts.isFailing) await new Promise((resolve) => setTimeout(resolve, 20));
  await log.stop();
  assertEquals(place.lines().length, 2);
  assertEquals(log.facts, { written: 2, dropped: 0, isFailing: false });
  assertEquals(place.events.map(({ message }) => message), [
    "The audit log can't be written: what clients do is not noted",
    "The audit log is written again",
  ]);
});

Deno.test("audit log: what waits is bounded; what is dropped is counted, and the file says where", async () => {
  using place = new Place();
  Deno.writeTextFileSync(place.path, "");
  const log = place.open({ keep: 10 });
  const wide = { ...ENTRY, prefixes: ["x".repeat(10_000)] };
  for (let i = 0; i < 1_000; i++) log.note(wide);
  const { dropped } = log.facts;
  assert(dropped > 500 && dropped < 600, `${dropped}`);
  while (!log.facts.isFailing) await new Promise((resolve) => setTimeout(resolve, 20));
  Deno.removeSync(place.path);
  while (log.facts.written < 1_000 - dropped) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await log.stop();
  const names = [...Deno.readDirSync(place.path)].map(({ name }) => name).sort().reverse();
  const lines = names.flatMap((name) => place.lines(`${place.path}/${name}`));
  // After those that waited, where the others would stand.
  assertEquals(lines.map((line) => "dropped" in line).indexOf(true), 1_000 - dropped);
  assertEquals([lines.length, lines.at(-1)!.dropped], [1_001 - dropped, dropped]);
});

Deno.test("audit log: a stop says how many lines the disk did not take", async () => {
  using place = new Place();
  Deno.writeTextFileSync(place.path, "");
  const log = place.open();
  log.note(ENTRY);
  await log.stop();
  const said = place.events.at(-1)!;
  assertEquals([said.level, said.fields.lines], ["error", 1]);
  log.note(ENTRY);
  assertEquals(log.facts.dropped, 1);
});

Deno.test("audit log: commands are chosen by name and category; who gets in and who may what is always in it", () => {
  using place = new Place();
  const wanted = (...commands: string[]) => {
    const log = place.open({ commands });
    return COMMAND_NUMBERS.filter(({ number }) => log.wants(number)).map(({ name }) => name);
  };
  assertEquals(wanted("@all").length, COMMAND_NUMBERS.length);
  assertEquals(place.open().wants(0), true);
  assertEquals(place.open({ commands: ["get"] }).wants(0), false);
  const always = wanted("get").filter((name) => name !== "get");
  assertEquals(always, [
    "auth",
    "hello",
    "raftkv.leader",
    "acl|deluser",
    "acl|setuser",
    ...["add", "demote", "promote", "remove", "replace"].map((one) => `raftkv.member|${one}`),
    "raftkv.user",
  ]);
  const writes = wanted("@write");
  for (const name of ["set", "del", "raftkv.cas", "flushall"]) assert(writes.includes(name), name);
  assert(!writes.includes("get"));
  assert(wanted("client").includes("client|kill"), "a container stands for its subcommands");
  assertEquals(
    place.open({ commands: ["@admin"] }).wants(commandNamed("config|get")!.number),
    true,
  );
});
