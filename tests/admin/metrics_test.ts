/** /metrics: its format, its page of documentation, and what it counts. */
import { assert, assertEquals } from "@std/assert";
import { FAMILIES, metricsText } from "../../lib/admin/metrics.ts";
import { CHECK_NAMES } from "../../lib/admin/probes.ts";
import { PROBLEM_KINDS } from "../../lib/wire/status.ts";
import { OneServer } from "../node/one_server.ts";

const page = Deno.readTextFileSync(new URL("../../docs/admin.md", import.meta.url));

function pageOf(server: OneServer): string {
  return metricsText(server.node.view.counts(), 0);
}

/** The value of a sample by its name and labels. */
function valueOf(text: string, sample: string): number {
  const line = text.split("\n").find((one) => one.startsWith(`${sample} `));
  assert(line !== undefined, `no ${sample}`);
  return Number(line!.split(" ").at(-1));
}

Deno.test("metrics: names are raftkv_<area>_<thing>, counters end in _total, each has a help", () => {
  for (const { name, type, help } of FAMILIES) {
    assert(/^raftkv(_[a-z]+){1,5}$/.test(name), name);
    assertEquals(name.endsWith("_total"), type === "counter", name);
    assert(help.endsWith(".") && !help.includes("\n"), name);
  }
  assertEquals(new Set(FAMILIES.map(({ name }) => name)).size, FAMILIES.length);
});

Deno.test("metrics: docs/admin.md has the table", () => {
  for (const { name, type, help } of FAMILIES) {
    const row = page.split("\n").find((line) => line.startsWith(`| \`${name}\` `));
    assert(row !== undefined, `docs/admin.md lacks ${name}`);
    const [, , said, text] = row!.split("|").map((cell) => cell.trim());
    assertEquals([said, text], [type, help]);
  }
  for (const name of page.match(/`raftkv_\w+/g) ?? []) {
    const isKnown = FAMILIES.some((one) =>
      name.slice(1).replace(/_(bucket|sum|count)$/, "") === one.name
    );
    assert(isKnown || FAMILIES.some((one) => one.name === name.slice(1)), `${name} is no metric`);
  }
});

Deno.test("metrics: docs/admin.md has the checks of the probes, and the kinds of problems", () => {
  for (const name of [...CHECK_NAMES.livez, ...CHECK_NAMES.readyz, ...PROBLEM_KINDS]) {
    assert(page.includes(`\`${name}\``), name);
  }
});

Deno.test("metrics: every line is a comment or a sample, and no sample comes twice", () => {
  const lines = pageOf(new OneServer()).trimEnd().split("\n");
  const samples = new Set<string>();
  for (const line of lines) {
    if (/^# (HELP|TYPE) raftkv_\w+ /.test(line)) continue;
    assert(/^raftkv_\w+(\{\w+="[^"\\\n]*"(,\w+="[^"\\\n]*")*\})? -?[\d.e+-]+$/.test(line), line);
    const name = line.slice(0, line.lastIndexOf(" "));
    assert(!samples.has(name), `${name} comes twice`);
    samples.add(name);
  }
});

Deno.test("metrics: buckets grow up to the count", () => {
  const server = new OneServer();
  const session = server.node.openSession("test")!;
  for (let i = 0; i < 20; i++) {
    server.send(session, `set k${i} 0 1\r\nx\r\nget k${i}\r\n`);
    server.settle();
  }
  const text = pageOf(server);
  const buckets = text.split("\n").filter((line) =>
    line.startsWith('raftkv_client_request_seconds_bucket{kind="write"')
  ).map((line) => Number(line.split(" ").at(-1)));
  assertEquals(buckets, [...buckets].sort((a, b) => a - b));
  assertEquals(buckets.at(-1), 20);
  assertEquals(valueOf(text, 'raftkv_client_request_seconds_count{kind="write"}'), 20);
  assertEquals(valueOf(text, 'raftkv_client_request_seconds_count{kind="read"}'), 20);
  assert(valueOf(text, "raftkv_disk_fsync_seconds_count") > 0);
  assert(valueOf(text, "raftkv_raft_commit_seconds_count") > 0);
});

Deno.test("metrics: a refused command is counted under its error", () => {
  const server = new OneServer();
  const session = server.node.openSession("test")!;
  server.send(session, "delete a b\r\ndelete a b\r\n");
  server.settle();
  const refused = pageOf(server).split("\n")
    .filter((line) => /^raftkv_client_refused_total.* [1-9]/.test(line));
  assertEquals(refused, ['raftkv_client_refused_total{error="command"} 2']);
});
