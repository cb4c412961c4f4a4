/** Who the members are, and where: by the file, the record, the log and their own words. */
import { assertEquals, assertThrows } from "@std/assert";
import {
  type Addresses,
  decodeAddresses,
  encodeAddresses,
  NO_ADDRESSES,
} from "../../lib/node/members/addresses.ts";
import { wantedMoves } from "../../lib/node/members/moves.ts";
import { KnownMembers } from "../../lib/node/members/known_members.ts";
import type { FormationRecord } from "../../lib/storage/types.ts";
import { makeConfiguration } from "../../lib/raft/configuration.ts";
import type { Configuration } from "../../lib/raft/types.ts";
import { ByteFormatError } from "../../lib/util/bytes.ts";
import { history as historyOf, member as describe } from "./configurations.ts";

const CLUSTER_ID = "0123456789abcdef0123456789abcdef";
const life = (n: number) => `${n}`.repeat(16).slice(0, 16);

function place(n: number): Addresses {
  return { hostname: `h${n}`, clientPort: 2 * n, logPort: 2 * n + 1 };
}

const listed = (...ids: number[]) => ids.map((id) => ({ id, ...place(id) }));

const record = (...ids: number[]) => ({
  stage: "formed" as const,
  clusterId: CLUSTER_ID,
  members: ids.map((serverId) => ({ serverId, incarnation: life(serverId) })),
});

const member = (id: number, addresses: Uint8Array = NO_ADDRESSES, incarnation = life(id)) =>
  describe(id, incarnation, addresses);

const history = (...configurations: Configuration[]) =>
  historyOf([1, 2, 3].map((id) => member(id)), ...configurations);

/** As server 1 has them. */
function membersOf(file: ReturnType<typeof listed>, formed: FormationRecord | null) {
  return new KnownMembers({
    serverId: 1,
    incarnation: life(1),
    listed: file,
    record: formed,
    graceMs: 1_000,
  });
}

Deno.test("addresses: what is encoded is decoded, and what a later build adds is skipped", () => {
  for (const hostname of ["a", "10.0.0.1", "::1", "x".repeat(253)]) {
    const addresses = { hostname, clientPort: 1, logPort: 65_535 };
    const bytes = encodeAddresses(addresses);
    assertEquals(decodeAddresses(bytes), addresses);
    assertEquals(decodeAddresses(new Uint8Array([...bytes, 9, 9])), addresses);
  }
  assertEquals(decodeAddresses(new Uint8Array(0)), null);
});

Deno.test("addresses: nothing else is taken", () => {
  const good = encodeAddresses(place(7));
  for (let length = 1; length < good.length; length++) {
    assertThrows(() => decodeAddresses(good.subarray(0, length)), ByteFormatError);
  }
  const changed = (at: number, value: number) => good.map((byte, i) => i === at ? value : byte);
  const bad = [changed(0, 2), changed(5, 0), changed(6, 0x20), changed(6, 0x0a), changed(2, 0)];
  for (const bytes of bad) assertThrows(() => decodeAddresses(bytes), ByteFormatError);
  assertThrows(() => encodeAddresses({ ...place(1), hostname: "a b" }));
  assertThrows(() => encodeAddresses({ ...place(1), logPort: 65_536 }));
});

Deno.test("known members: the file, then the record, then the configuration in effect", () => {
  const members = membersOf(listed(1, 2, 4), null);
  const roles = () => members.all.map(({ id, role }) => `${id} ${role}`);
  let changes = 0;
  members.watch(() => changes++);
  assertEquals(roles(), ["1 voter", "2 voter", "4 voter"]);
  members.recorded(record(1, 2, 3));
  assertEquals(roles(), ["1 voter", "2 voter", "3 voter"]);
  assertEquals(members.all.map(({ incarnation }) => incarnation), [life(1), life(2), life(3)]);
  assertEquals(members.servers(), listed(1, 2));
  const plain = history();
  for (let i = 0; i < 2; i++) members.note(plain, 0);
  assertEquals([roles(), changes], [["1 voter", "2 voter", "3 voter"], 2]);
  const joint: Configuration = {
    voters: [1, 5],
    votersOutgoing: [1, 2],
    learners: [3],
    learnersNext: [2],
    members: [1, 2, 3, 5].map((id) => member(id)),
  };
  members.note(history(joint), 0);
  assertEquals(roles(), ["1 voter", "2 outgoing", "3 learner", "5 incoming"]);
});

Deno.test("known members: what a member says goes before the log, and that before the file", () => {
  const members = membersOf(listed(1, 2, 3), record(1, 2, 3));
  const places = (id: number) => members.of(id)!.places.map(({ hostname }) => hostname);
  assertEquals([places(1), places(2), places(3)], [["h1"], ["h2"], ["h3"]]);
  const configuration: Configuration = {
    ...makeConfiguration([1, 2, 3]),
    members: [
      member(1, encodeAddresses(place(11))),
      member(2, encodeAddresses(place(12))),
      member(3, new Uint8Array([9])),
    ],
  };
  members.note(history(configuration), 0);
  assertEquals([places(1), places(2), places(3)], [["h1", "h11"], ["h12", "h2"], ["h3"]]);
  assertEquals(members.of(2)!.logged, place(12));
  members.welcomed(2, life(2), null);
  members.claimed(2, life(2), place(22));
  assertEquals(places(2), ["h22", "h12", "h2"]);
  assertEquals(members.logAddressOf(2), "h22:45");
  // Once it is gone, it may have told another leader something later.
  assertEquals(wantedMoves(members, true).map(({ id }) => id), [1, 2, 3]);
  members.left(2, life(2));
  assertEquals(places(2), ["h12", "h22", "h2"]);
  assertEquals(wantedMoves(members, true).map(({ id }) => id), [1, 3]);
  members.welcomed(2, life(2), null);
  assertEquals(places(2), ["h22", "h12", "h2"]);
  members.claimed(2, life(2), place(12));
  assertEquals(places(2), ["h12", "h2"]);
  assertEquals(wantedMoves(members, true).map(({ id }) => id), [1, 3]);
});

Deno.test("known members: nobody else is where this server is: clients are not sent round in a circle", () => {
  // Servers 1 and 2 have each other's places now, and the log has not been told.
  const configuration: Configuration = {
    ...makeConfiguration([1, 2, 3]),
    members: [1, 2, 3].map((id) => member(id, encodeAddresses(place(id)))),
  };
  const swapped = [{ id: 1, ...place(2) }, { id: 2, ...place(1) }, { id: 3, ...place(3) }];
  const members = membersOf(swapped, record(1, 2, 3));
  members.note(history(configuration), 0);
  assertEquals([1, 2, 3].map((id) => members.placeOf(id)), [place(2), place(1), place(3)]);
  assertEquals(members.servers(), swapped);
  // Nor where its file does not tell where the other one is.
  const joined = membersOf([{ id: 1, ...place(2) }], record(1, 2, 3));
  joined.note(history(configuration), 0);
  assertEquals([1, 2, 3].map((id) => joined.placeOf(id)), [place(2), null, place(3)]);
  assertEquals(joined.servers().map(({ id }) => id), [1, 3]);
});

Deno.test("known members: what an earlier life said of itself is nothing to the next one", () => {
  const members = membersOf(listed(1, 2, 3), record(1, 2, 3));
  members.welcomed(3, life(9), null);
  members.claimed(3, life(9), place(33));
  assertEquals(members.of(3)!.places, [place(3)]);
  const configuration: Configuration = {
    ...makeConfiguration([1, 2], [3]),
    members: [member(1), member(2), member(3, NO_ADDRESSES, life(9))],
  };
  members.note(history(configuration), 0);
  assertEquals(members.of(3)!.places, [place(33), place(3)]);
});
