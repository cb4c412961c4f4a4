/** What a server tells of the others: as Redis tells it, and never more than it knows. */
import { assertEquals, assertMatch } from "@std/assert";
import { ClientError } from "../../lib/wire/command_batch.ts";
import type { PeerView } from "../../lib/wire/codec.ts";
import type { Reply } from "../process/redis_socket.ts";
import { OneClient, OneServer, peer } from "./resp_driver.ts";

const DEAD = { isConnected: false, silentMs: 90_000, reach: "lost", matchIndex: 0 } as const;
const FROZEN = { isConnected: true, silentMs: 700, reach: "silent", matchIndex: 4 } as const;
const LEADING = { matchIndex: 7, appliedIndex: 6 } as const;

function leaderWith(...peers: PeerView[]): OneClient {
  const server = new OneServer();
  server.peers = peers;
  return new OneClient(server);
}

function ask(client: OneClient, ...args: string[]): Reply {
  return client.ask(args)[0]!;
}

function lines(client: OneClient, ...args: string[]): string[] {
  return String(ask(client, ...args)).split(/\r?\n/);
}

/** The ports of the servers in CLUSTER SLOTS. */
function portsIn(client: OneClient): number[] {
  const [[, , ...nodes]] = ask(client, "CLUSTER", "SLOTS") as unknown as [
    [number, number, ...Reply[]],
  ];
  return nodes.map((node) => (node as unknown as [string, number])[1]);
}

/** Port and what is asked for, of each server in CLUSTER SHARDS. */
function shards(client: OneClient, key: string): [number, Reply][] {
  const [[, , , nodes]] = ask(client, "CLUSTER", "SHARDS") as unknown as [
    [Reply, Reply, Reply, Reply[][]],
  ];
  return nodes.map((
    node,
  ) => [Number(node[node.indexOf("port") + 1]), node[node.indexOf(key) + 1]!]);
}

Deno.test("resp: a dead follower is no slave, its connection is gone, clients are not sent to it", () => {
  const client = leaderWith(peer(2, LEADING), peer(3, DEAD));
  const info = lines(client, "INFO", "replication");
  assertEquals(info.filter((line) => /^(connected_slaves|slave\d)/.test(line)), [
    "connected_slaves:1",
    "slave0:ip=127.0.0.1,port=9002,state=online,offset=7,lag=0",
  ]);
  assertEquals(info.filter((line) => line.startsWith("raft_server3")), [
    "raft_server3:ip=127.0.0.1,port=9003,state=lost,connected=0,silent_ms=90000,match_index=0,lag=0",
  ]);
  const [, second, third] = lines(client, "CLUSTER", "NODES");
  assertMatch(second!, /:9002@9102 slave 0+1 0 \d+ 3 connected$/);
  assertMatch(third!, /:9003@9103 slave,fail 0+1 0 \d+ 3 disconnected$/);
  assertEquals(shards(client, "health"), [[9001, "online"], [9002, "online"], [9003, "fail"]]);
  assertEquals(shards(client, "replication-offset"), [[9001, 0], [9002, 7], [9003, 0]]);
  assertEquals(portsIn(client), [9001, 9002]);
  assertEquals(ask(client, "ROLE"), ["master", 0, [["127.0.0.1", "9002", "7"]]]);
});

Deno.test("resp: a frozen follower is suspected before it is given up", () => {
  const client = leaderWith(peer(2, FROZEN), peer(3, LEADING));
  const [, second] = lines(client, "CLUSTER", "NODES");
  assertMatch(second!, /:9002@9102 slave,fail\? 0+1 0 \d+ 3 connected$/);
  assertEquals(shards(client, "health")[1], [9002, "fail"]);
  assertEquals(portsIn(client), [9001, 9003]);
  assertEquals(lines(client, "INFO", "replication")[2], "connected_slaves:1");
});

Deno.test("resp: a server that was never heard has no time of being heard, and no figures", () => {
  const unheard = { isConnected: false, silentMs: null, reach: "silent" } as const;
  const client = leaderWith(peer(2, unheard), peer(3, LEADING));
  const [, second] = lines(client, "CLUSTER", "NODES");
  assertMatch(second!, / slave,fail\? 0+1 0 0 3 disconnected$/);
  const info = lines(client, "INFO", "replication").find((line) => line.startsWith("raft_server2"));
  assertEquals(info, "raft_server2:ip=127.0.0.1,port=9002,state=silent,connected=0");
});

Deno.test("resp: a follower that has nothing yet is loading, and not listed", () => {
  const client = leaderWith(
    peer(2, { isEmpty: true, isSentSnapshot: true, matchIndex: 0 }),
    peer(3),
  );
  assertEquals(portsIn(client), [9001, 9003]);
  assertEquals(shards(client, "health")[1], [9002, "loading"]);
  assertMatch(
    lines(client, "INFO", "replication")[3]!,
    /^slave0:.*state=send_bulk,offset=0,lag=0$/,
  );
});

Deno.test("resp: a follower says how it stands with its leader", () => {
  const server = new OneServer();
  server.refusedWith = ClientError.redirect;
  server.leader = { hostname: "127.0.0.1", port: 9002 };
  const client = new OneClient(server);
  const up = lines(client, "INFO", "replication");
  assertEquals(up.slice(1, 6), [
    "role:slave",
    "master_host:127.0.0.1",
    "master_port:9002",
    "master_link_status:up",
    "master_last_io_seconds_ago:0",
  ]);
  assertEquals(ask(client, "ROLE"), ["slave", "127.0.0.1", 9002, "connected", 0]);
  server.peers = [peer(2, DEAD), peer(3)];
  const down = lines(client, "INFO", "replication");
  assertEquals(down.slice(4, 6), ["master_link_status:down", "master_last_io_seconds_ago:-1"]);
  assertEquals(down.includes("master_link_down_since_seconds:90"), true);
  assertEquals(ask(client, "ROLE"), ["slave", "127.0.0.1", 9002, "connect", -1]);
});

Deno.test("resp: a server that was removed hears of no change of the layout, and gives none", () => {
  const server = new OneServer();
  server.refusedWith = ClientError.redirect;
  server.leader = { hostname: "127.0.0.1", port: 9002 };
  server.isRemoved = true;
  const client = new OneClient(server);
  const removed =
    /CLUSTERDOWN This server was removed from its cluster: nothing was done, ask another/;
  assertMatch(String(ask(client, "CLUSTER", "SLOTS")), removed);
  assertMatch(String(ask(client, "CLUSTER", "SHARDS")), removed);
});
