/** What servers without room take in, and say of themselves. */
import { assertEquals } from "@std/assert";
import type { Replica } from "../../lib/node/replica.ts";
import { DEFAULT_STORAGE_LIMITS, DEFAULT_TIMING } from "../../lib/node/limits.ts";
import { Space, type SpaceOptions } from "../../lib/node/space.ts";
import type { Message } from "../../lib/raft/types.ts";
import type { PeerStatus } from "../../lib/node/peers/peer_status.ts";
import { describeMembers } from "../raft/members.ts";
import { OneServer } from "./one_server.ts";

const KEPT_BYTES = 65_536;
const SILENT: SpaceOptions["statuses"] = { of: () => null, roomChanges: 0 };

/** A full server with so many bytes of reserve left, and nothing that waits for them. */
function fullServer(state: unknown, statuses: SpaceOptions["statuses"] = SILENT) {
  const disk = { roomBytes: 0, isStuck: false };
  const replica = {
    raft: { state },
    log: { hasRoom: () => false, roomBytes: () => disk.roomBytes, earlierBytes: () => 0 },
    persister: {
      get isStuck() {
        return disk.isStuck;
      },
    },
  } as unknown as Replica;
  const host = { scheduleTurn() {}, fatal() {}, log() {} };
  const about = { storage: DEFAULT_STORAGE_LIMITS, timing: DEFAULT_TIMING, host };
  return {
    disk,
    replica,
    space: new Space({ ...about, statuses }),
  };
}

function appendOf(dataBytes: number): Message {
  return {
    kind: "appendRequest",
    entries: [{ index: 5, term: 2, data: new Uint8Array(dataBytes) }],
  } as unknown as Message;
}

Deno.test("a follower whose reserve is used up says so, and still takes a new leader's first entry", () => {
  const state = { role: { kind: "follower" }, log: { lastIndex: 4, durableIndex: 4 } };
  const { disk, replica, space } = fullServer(state);
  const takes = (bytes: number) => space.admit(replica, appendOf(bytes)) !== null;
  disk.roomBytes = 2 * KEPT_BYTES;
  assertEquals([space.takesEntries(replica), takes(1_000), takes(20)], [true, true, true]);
  disk.roomBytes = KEPT_BYTES / 4;
  assertEquals([space.takesEntries(replica), takes(1_000), takes(20)], [false, false, true]);
  disk.roomBytes = KEPT_BYTES / 16;
  assertEquals([space.takesEntries(replica), takes(1_000), takes(20)], [false, false, false]);
});

Deno.test("a leader refuses all writes while no majority takes entries", () => {
  const { raft } = new OneServer().node;
  const { disk, replica, space } = fullServer(raft!.state);
  disk.roomBytes = 10 * KEPT_BYTES;
  space.elapse(1_000, replica);
  assertEquals(space.fits(replica, 100), true);
  disk.isStuck = true;
  space.elapse(2_000, replica);
  assertEquals([space.fits(replica, 100), space.takesSets(replica, false)], [false, false]);
  // Its own part in that is asked anew each time: nobody is refused until the next look.
  disk.isStuck = false;
  assertEquals(space.fits(replica, 100), true);
});

Deno.test("a leader refuses no set for want of room before it has looked, which it does soon", () => {
  const { raft } = new OneServer().node;
  const { disk, replica, space } = fullServer(raft!.state);
  const { reserveBytes } = DEFAULT_STORAGE_LIMITS;
  disk.roomBytes = reserveBytes;
  assertEquals(space.nextDeadlineMs(replica) <= 10, true);
  assertEquals(space.takesSets(replica, false), true);
  // Sets that come until then are no reason to have no reserve left for deletes.
  assertEquals(space.takesSets(replica, false, reserveBytes / 4), true);
  assertEquals(space.takesSets(replica, false, reserveBytes / 4 + 1), false);
  disk.roomBytes = 0.75 * reserveBytes - 1;
  assertEquals(space.takesSets(replica, false), false);
  disk.roomBytes = reserveBytes;
  space.elapse(1_000, replica);
  assertEquals(space.takesSets(replica, false), false);
  assertEquals(space.nextDeadlineMs(replica), 1_010);
});

Deno.test("a new leader looks at once, also where it has room: others may have none", () => {
  const { raft } = new OneServer().node;
  const { disk, replica, space } = fullServer(raft!.state);
  const withRoom = { ...replica, log: { ...replica.log, hasRoom: () => true } } as Replica;
  disk.roomBytes = 10 * KEPT_BYTES;
  assertEquals(space.nextDeadlineMs(withRoom), 0);
  space.elapse(1_000, withRoom);
  assertEquals(space.nextDeadlineMs(withRoom), Infinity);
  raft!.state.term++;
  assertEquals(space.nextDeadlineMs(withRoom), 1_000);
  space.elapse(1_001, withRoom);
  assertEquals(space.nextDeadlineMs(withRoom), Infinity);
});

Deno.test("in a joint configuration the old half needs room as well", () => {
  const { state } = new OneServer().node.raft!;
  const joint = describeMembers({ voters: [1], votersOutgoing: [1, 2, 3] });
  const full = { hasRoom: false, canWrite: false } as PeerStatus;
  const { replica, space } = fullServer({ ...state, configurations: { current: joint } }, {
    of: (id) => id === 1 ? null : full,
    roomChanges: 0,
  });
  const withRoom = { ...replica, log: { ...replica.log, hasRoom: () => true } } as Replica;
  space.elapse(1_000, withRoom);
  assertEquals([space.takesSets(withRoom, true), space.isMajorityOpen], [false, false]);
});

Deno.test("what a change of members rests on: this server's own disk, and the others' last reports", () => {
  const { state } = new OneServer().node.raft!;
  const reports = new Map([
    [2, { hasRoom: true, canWrite: true }],
    [3, { hasRoom: false, canWrite: true }],
    [4, { hasRoom: false, canWrite: false }],
  ]);
  const { disk, replica, space } = fullServer(state, {
    of: (id) => (reports.get(id) ?? null) as PeerStatus | null,
    roomChanges: 0,
  });
  disk.roomBytes = 10 * KEPT_BYTES;
  const ids = [1, 2, 3, 4, 5];
  assertEquals(ids.map((id) => space.roomOf(id, replica)), [
    ...["reserve", "free", "reserve", "none", "free"],
  ]);
  disk.isStuck = true;
  assertEquals(space.roomOf(1, replica), "none");
});

Deno.test("a handover for want of room that could not begin is tried again at the next look, not after the pause", () => {
  const { state } = new OneServer().node.raft!;
  const current = describeMembers({ voters: [1, 2] });
  const progress = new Map([[2, { matchIndex: 5, silentHeartbeats: 0 }]]);
  const role = { ...state.role, progress };
  const full = { ...state, role, configurations: { current } };
  const { disk, replica, space } = fullServer(full, {
    of: () => ({ hasRoom: true, canWrite: true }) as PeerStatus,
    roomChanges: 0,
  });
  disk.roomBytes = 10 * KEPT_BYTES;
  const asked: number[] = [];
  // The connection to 2 has just broken; then it is back.
  Object.assign(replica.raft, {
    transferLeadership: (to: number) => asked.push(to) > 2,
  });
  for (let ms = 100_000; ms < 100_100; ms += 10) space.elapse(ms, replica);
  assertEquals(asked, [2, 2, 2]);
});
