/** What the checks read of who votes, held against what the core wrote; and what the atlas makes of it. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { encodeConfiguration } from "../../lib/raft/configuration_codec.ts";
import { ENVELOPE_BYTES } from "../../lib/raft/envelope.ts";
import { type Configuration, EntryKind } from "../../lib/raft/types.ts";
import { encodeAddresses, NO_ADDRESSES } from "../../lib/node/members/addresses.ts";
import { founderAddress } from "./address_book.ts";
import { Atlas, type Charted } from "./atlas.ts";
import { membersOf, type Voting, Votings } from "./votings.ts";
import { CheckFailure } from "./world.ts";

const FOUNDERS = [1, 2, 3];

function lifeOf(id: number): string {
  return id.toString(16).padStart(16, "0");
}

/** Server 3 was replaced: its second life is server 9 of the world. */
function serverOf(id: number, life: string): number | null {
  return life === lifeOf(id) ? id : id === 3 && life === lifeOf(0xabc) ? 9 : null;
}

function entryOf(configuration: Omit<Configuration, "members">, lives = new Map<number, string>()) {
  const { voters, votersOutgoing, learners } = configuration;
  const ids = [...new Set([...voters, ...votersOutgoing, ...learners])].sort((a, b) => a - b);
  const members = ids.map((id) => ({
    id,
    incarnation: lives.get(id) ?? lifeOf(id),
    staysLearner: learners.includes(id) && id === 5,
    addresses: id < 4 ? NO_ADDRESSES : encodeAddresses(founderAddress(id)),
  }));
  const payload = encodeConfiguration({ ...configuration, members });
  const data = new Uint8Array(ENVELOPE_BYTES + payload.length);
  data[0] = EntryKind.configuration;
  data.set(payload, ENVELOPE_BYTES);
  return data;
}

Deno.test("a joint configuration is read with both halves, each life as the server that it is", () => {
  const votings = new Votings(FOUNDERS, serverOf);
  const lives = new Map([[3, lifeOf(0xabc)]]);
  const half = { voters: [2, 3], votersOutgoing: [1, 2], learners: [4, 5], learnersNext: [] };
  votings.add(6, entryOf(half, lives));
  assertEquals(votings.current, {
    index: 6,
    voters: [2, 9],
    outgoing: [1, 2],
    learners: [4, 5],
    willVote: [4],
    logPorts: new Map([[4, 10_003], [5, 10_004]]),
  });
  assertEquals(membersOf(votings.current), [2, 9, 1, 4, 5]);
  const unknown = new Map([[2, lifeOf(77)]]);
  assertThrows(() => votings.add(7, entryOf(half, unknown)), CheckFailure, "server 2");
});

Deno.test("entries after a joint configuration that is left need the new half, it itself both", () => {
  const votings = new Votings(FOUNDERS, serverOf);
  const joint = { voters: [1, 2], votersOutgoing: FOUNDERS, learners: [], learnersNext: [] };
  votings.add(6, entryOf(joint));
  assertEquals(votings.halvesAt(5), [FOUNDERS]);
  assertEquals(votings.halvesAt(8), [[1, 2], FOUNDERS]);
  votings.add(9, entryOf({ ...joint, votersOutgoing: [] }));
  assertEquals(votings.halvesAt(6), [[1, 2], FOUNDERS]);
  assertEquals(votings.halvesAt(8), [[1, 2]]);
  assertEquals(votings.halvesAt(9), [[1, 2]]);
  votings.cut(8);
  assertEquals(votings.halvesAt(8), [[1, 2], FOUNDERS]);
  votings.cut(0);
  assertEquals(votings.current.voters, FOUNDERS);
});

function atlasOf(
  voting: Partial<Voting>,
  unsound: readonly number[],
  torn: readonly number[] = [],
  held: Partial<Voting> = {},
) {
  const charted = (id: number): Charted => ({
    id,
    isOut: unsound.includes(id),
    isAway: false,
    isHarmed: false,
    isTorn: torn.includes(id),
  });
  const { current } = new Votings(FOUNDERS, serverOf);
  const whole = { ...current, ...voting };
  const atlas = new Atlas(charted, () => [whole], () => [{ ...whole, ...held }]);
  return { atlas, charted };
}

Deno.test("the atlas spares a majority of each half, and of the voters to be", () => {
  const two = atlasOf({ voters: [1, 2, 3], outgoing: [3, 4, 5] }, [1]);
  assert(!two.atlas.mayHarm(two.charted(2)));
  assert(!two.atlas.mayHarm(two.charted(3)));
  assert(two.atlas.mayHarm(two.charted(4)));
  const learner = atlasOf({ learners: [4], willVote: [4] }, [], [4]);
  assert(!learner.atlas.mayHarm(learner.charted(2)));
  const stays = atlasOf({ learners: [4] }, [], [4]);
  assert(stays.atlas.mayHarm(stays.charted(2)));
});

Deno.test("who is no member may lose everything, and while a member is lost only a minority power", () => {
  const { atlas, charted } = atlasOf({}, [1]);
  assert(atlas.mayHarm(charted(7)));
  assert(!atlas.mayTear(charted(2)));
  assert(atlas.mayTear(charted(1)));
  assert(atlasOf({}, [], [1, 2]).atlas.mayTear(charted(3)));
  assert(!atlas.mayVote([1, 2]));
  assert(atlas.mayVote([2]));
});

Deno.test("whose log begins before a lost member's removal may lose power where others commit without it", () => {
  const two = { voters: [1, 2], learners: [4] };
  const { atlas, charted } = atlasOf(two, [3], [], { voters: [1, 2, 3] });
  assert(!atlas.mayTear(charted(1)));
  assert(atlas.mayTear(charted(4)));
  assert(atlasOf(two, [3]).atlas.mayTear(charted(1)));
  const three = atlasOf({ voters: [1, 2, 5] }, [3], [], { voters: [1, 2, 3] });
  assert(three.atlas.mayTear(three.charted(1)));
});

Deno.test("who is asked by a voter that lost power is spared while too few others are sound", () => {
  const two = { voters: [1, 2], learners: [4] };
  const { atlas, charted } = atlasOf(two, [], [2], { voters: [1, 2, 3] });
  assert(!atlas.mayHarm(charted(3)));
  assert(!atlas.mayHarm(charted(4)));
  assert(atlas.mayHarm(charted(5)));
  const three = atlasOf({ voters: [1, 2, 5], learners: [4] }, [], [2]);
  assert(three.atlas.mayHarm(three.charted(4)));
});
