import { assertEquals, assertStringIncludes } from "@std/assert";
import { encodeAddresses } from "../../lib/node/members/addresses.ts";
import type { Configuration } from "../../lib/raft/types.ts";
import { history, member, voting } from "./configurations.ts";
import { reportList, reportOwnEntry } from "../../lib/node/members/file_report.ts";
import { KnownMembers } from "../../lib/node/members/known_members.ts";
import type { LogEvent } from "../../lib/node/api.ts";
import type { FormationRecord } from "../../lib/storage/types.ts";

const CLUSTER_ID = "0123456789abcdef0123456789abcdef";

function listed(...ids: number[]) {
  return ids.map((id) => ({ id, hostname: `h${id}`, clientPort: 2 * id, logPort: 2 * id + 1 }));
}

function recordOf(...ids: number[]): FormationRecord {
  const members = ids.map((serverId) => ({ serverId, incarnation: "0123456789abcdef" }));
  return { stage: "formed", clusterId: CLUSTER_ID, members };
}

/** What comes of a file against a record, and what was logged of it. */
function held(file: ReturnType<typeof listed>, record: FormationRecord | null) {
  const events: LogEvent[] = [];
  const members = new KnownMembers({
    serverId: 1,
    incarnation: "0123456789abcdef",
    listed: file,
    record,
    graceMs: 1_000,
  });
  reportList(file, members, record ?? { clusterId: CLUSTER_ID, members: [] }, {
    log: (event) => events.push(event),
  });
  return { ids: members.all.map(({ id }) => id), servers: members.servers(), events };
}

Deno.test("cluster file: before the cluster is formed it says which servers there are", () => {
  const { ids, servers, events } = held(listed(2, 1), null);
  assertEquals([ids, servers], [[2, 1], listed(2, 1)]);
  assertEquals(events, []);
});

Deno.test("cluster file: with the members' ids, in any order and at any address, it is fine", () => {
  const { ids, servers, events } = held(listed(3, 1, 2), recordOf(1, 2, 3));
  assertEquals([ids, servers], [[1, 2, 3], listed(1, 2, 3)]);
  assertEquals(events, []);
});

Deno.test("cluster file: a list that is prepared counts already: nobody may form without one of it", () => {
  const { ids, servers, events } = held(listed(1, 2), { ...recordOf(1, 2, 3), stage: "prepared" });
  assertEquals([ids, servers], [[1, 2, 3], listed(1, 2)]);
  assertEquals(events.map((event) => event.level), ["error"]);
});

Deno.test("cluster file: the record goes before a file that lists others, said key by key", () => {
  const { ids, servers, events } = held(listed(1, 4, 2, 5), recordOf(1, 2, 3));
  assertEquals([ids, servers], [[1, 2, 3], listed(1, 2)]);
  assertEquals(events.length, 1);
  const { level, message, fields } = events[0]!;
  assertEquals(level, "error");
  assertStringIncludes(message, "lists other servers than this cluster has");
  assertEquals(fields, {
    "servers[1].id": "4 is no member: not connected to",
    "servers[3].id": "5 is no member: not connected to",
    servers: "3 missing: a member that this server can't connect to",
    members: "1, 2, 3",
    clusterId: CLUSTER_ID,
  });
});

const life = "0123456789abcdef";

/** What server 1 says at its start by this file, in a cluster of founders 1 to 3 that became `now`. */
function started(file: ReturnType<typeof listed>, now: Configuration, joined = false) {
  const events: LogEvent[] = [];
  const record = { ...recordOf(1, 2, 3), ...(joined && { joined: true as const }) };
  const members = new KnownMembers({
    serverId: 1,
    incarnation: life,
    listed: file,
    record,
    graceMs: 1_000,
  });
  members.note(history([1, 2, 3].map((id) => member(id, life)), now), 0);
  const host = { log: (event: LogEvent) => events.push(event) };
  reportList(file, members, record, host);
  reportOwnEntry(members, host);
  return events;
}

Deno.test("cluster file: one that was not kept up with the members is a warning, and theirs are the log's places", () => {
  const place = encodeAddresses({ hostname: "h4", clientPort: 8, logPort: 9 });
  const now = voting(member(1, life), member(2, life), member(4, life, place));
  const [event, ...more] = started(listed(1, 2, 3), now);
  assertEquals(more, []);
  assertEquals(event!.level, "warning");
  assertEquals(event!.fields, {
    "servers[2].id": "3 is no member: not connected to",
    servers: "4 missing: reached where the log says",
    members: "1, 2, 4",
    clusterId: CLUSTER_ID,
  });
});

Deno.test("cluster file: an own entry that is not what the log has is said, key by key", () => {
  const place = encodeAddresses({ hostname: "old", clientPort: 2, logPort: 7 });
  const now = voting(member(1, life, place), member(2, life), member(3, life));
  const [event, ...more] = started(listed(1, 2, 3), now);
  assertEquals(more, []);
  assertEquals(event!.level, "info");
  assertEquals(event!.fields, {
    server: 1,
    hostname: "h1, and old in the log",
    logPort: "3, and 7 in the log",
  });
});

Deno.test("cluster file: that of a server that was added need not name the others", () => {
  const now = voting(...[1, 2, 3, 4].map((id) => member(id, life)));
  assertEquals(started(listed(1), now, true), []);
  assertEquals(started(listed(1), now).length, 1);
});
