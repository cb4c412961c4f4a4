/** Members of a real cluster come and go, and the leadership moves, while clients write. */
import { assert, assertEquals } from "@std/assert";
import { type Client, connect, Refused } from "../../client/mod.ts";
import { type Cluster, clusterTest, type Server } from "./harness.ts";
import { assertHolds, Load } from "./load.ts";
import { eventually } from "./patience.ts";

/** Of one change: an election may be in it, on a busy machine, and the cluster version may be raised first. */
const CHANGE = { timeoutMs: 30_000 };

function clientOf(cluster: Cluster): Promise<Client> {
  const servers = cluster.servers.map(({ clientPort }) => `127.0.0.1:${clientPort}`);
  return connect({ servers, timeoutMs: 30_000 });
}

async function leaderOf(client: Client): Promise<number> {
  const { members } = await client.members();
  return members.find(({ isLeader }) => isLeader)!.id;
}

async function roles(client: Client): Promise<string> {
  const { members } = await client.members();
  return members.map(({ id, role }) => `${id} ${role}`).join(", ");
}

/** Lets `load` end and reads all that it was acknowledged, from whoever leads. */
async function readBack(cluster: Cluster, load: Load, among: readonly Server[]): Promise<void> {
  await load.end();
  await assertHolds(await cluster.waitForLeader(among), load.acknowledged);
}

clusterTest("a follower is removed while clients write", {}, async (cluster) => {
  await cluster.startAll();
  await using client = await clientOf(cluster);
  assertEquals(await roles(client), "1 voter, 2 voter, 3 voter");
  const load = new Load(cluster, "follower");
  await load.more(500);
  const leader = await leaderOf(client);
  const gone = cluster.servers.find(({ id }) => id !== leader)!;
  await client.removeMember(gone.id, CHANGE);
  const others = cluster.others(gone);
  assertEquals(await roles(client), others.map(({ id }) => `${id} voter`).join(", "));
  await load.more(500);
  assertEquals(await leaderOf(client), leader);
  // It is not needed any more, and disturbs nobody before it is stopped.
  await gone.kill();
  await load.more(500);
  const error = await client.removeMember(gone.id).catch((error) => error);
  assert(error instanceof Refused, `${error}`);
  assert(error.message.includes(`server ${gone.id} is no member`), error.message);
  await readBack(cluster, load, others);
});

clusterTest("the leader is removed while clients write", {}, async (cluster) => {
  await cluster.startAll();
  await using client = await clientOf(cluster);
  const load = new Load(cluster, "leader");
  await load.more(500);
  const gone = cluster.server(await leaderOf(client));
  await client.removeMember(gone.id, CHANGE);
  const others = cluster.others(gone);
  await load.more(500);
  assertEquals(await roles(client), others.map(({ id }) => `${id} voter`).join(", "));
  const next = await leaderOf(client);
  assert(next !== gone.id, "it leads still");
  // By now a majority is both of the others, and the last one may go as well.
  await client.removeMember(next, CHANGE);
  const last = others.find(({ id }) => id !== next)!;
  await load.more(500);
  assertEquals(await roles(client), `${last.id} voter`);
  const error = await client.removeMember(last.id).catch((error) => error);
  assert(error instanceof Refused && /is the only voter/.test(error.message), `${error}`);
  await readBack(cluster, load, [last]);
});

clusterTest(
  "the leadership moves to whom it is asked to, while clients write",
  {},
  async (cluster) => {
    await cluster.startAll();
    await using client = await clientOf(cluster);
    const load = new Load(cluster, "move");
    for (const id of [1, 2, 3, 1]) {
      await load.more(200);
      assertEquals(await client.moveLeader({ to: id, ...CHANGE }), id);
      assertEquals(await leaderOf(client), id);
    }
    const next = await client.moveLeader(CHANGE);
    assert(next === 2 || next === 3, `${next}`);
    assertEquals(await leaderOf(client), next);
    // One that is away is not waited for.
    const away = cluster.server(5 - next);
    await away.kill();
    await eventually("the leader to miss it", async () => {
      const { members } = await client.members();
      return !members.find(({ id }) => id === away.id)!.isReachable;
    });
    const error = await client.moveLeader({ to: away.id }).catch((error) => error);
    assert(error instanceof Refused, `${error}`);
    assert(error.message.includes(`server ${away.id} does not answer`), error.message);
    await readBack(cluster, load, cluster.others(away));
  },
);

clusterTest(
  "a voter becomes a learner and a voter again, and a restart forgets neither",
  {},
  async (cluster) => {
    await cluster.startAll();
    await using client = await clientOf(cluster);
    const load = new Load(cluster, "learner");
    await load.more(200);
    await client.moveLeader({ to: 1, ...CHANGE });
    await client.demoteMember(3, CHANGE);
    assertEquals(await roles(client), "1 voter, 2 voter, 3 learner");
    await load.more(200);
    const refused = await client.moveLeader({ to: 3 }).catch((error) => error);
    assert(refused instanceof Refused && /does not vote/.test(refused.message), `${refused}`);
    // It has no say, and it has the log.
    await cluster.server(3).restart();
    await eventually("the learner to keep up again", async () => {
      const { members } = await client.members();
      return members[2]!.role === "learner" && members[2]!.keepsUp;
    });
    await client.promoteMember(3, CHANGE);
    assertEquals(await roles(client), "1 voter, 2 voter, 3 voter");
    await client.moveLeader({ to: 3, ...CHANGE });
    await readBack(cluster, load, [cluster.server(3)]);
    await cluster.stopServers();
    await cluster.startAll();
    const { configurationIndex, members } = await client.members();
    assertEquals([configurationIndex > 0, members.length], [true, 3]);
  },
);
