import { assertEquals, assertStringIncludes } from "@std/assert";
import { knownServers } from "../../lib/node/known_servers.ts";
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
  const known = knownServers(file, record, { log: (event) => events.push(event) });
  return { known, events };
}

Deno.test("known servers: before the cluster is formed the file says which they are", () => {
  const { known, events } = held(listed(2, 1), null);
  assertEquals(known, { servers: [2, 1], reachable: [2, 1], addresses: listed(2, 1) });
  assertEquals(events, []);
});

Deno.test("known servers: a file with the members' ids, in any order and at any address, is fine", () => {
  const { known, events } = held(listed(3, 1, 2), recordOf(1, 2, 3));
  assertEquals(known.servers, [1, 2, 3]);
  assertEquals(known.addresses, listed(3, 1, 2));
  assertEquals(events, []);
});

Deno.test("known servers: a list that is prepared counts already: nobody may form without one of it", () => {
  const { known, events } = held(listed(1, 2), { ...recordOf(1, 2, 3), stage: "prepared" });
  assertEquals([known.servers, known.reachable], [[1, 2, 3], [1, 2]]);
  assertEquals(events.map((event) => event.level), ["error"]);
});

Deno.test("known servers: the record goes before a file that lists others, said key by key", () => {
  const { known, events } = held(listed(1, 4, 2, 5), recordOf(1, 2, 3));
  assertEquals(known.servers, [1, 2, 3]);
  assertEquals(known.addresses, listed(1, 2));
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
