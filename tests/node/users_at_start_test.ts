/**
 * Users on a server that has just started and hears nobody: what it has applied is older than what its log
 * has, and what others have may be newer than both.
 */
import { assert, assertEquals } from "@std/assert";
import type { ClientSession } from "../../lib/node/api.ts";
import { changesUsers, encodeByUser, encodeChangeUser } from "../../lib/kv/users/operations.ts";
import { encodeCommand, endCommand, Op } from "../../lib/kv/commands/command.ts";
import { ByteWriter, writeU32 } from "../../lib/util/bytes.ts";
import { requestBytes } from "../wire/resp_driver.ts";
import { Fleet, type Machine, placed } from "./fleet.ts";
import { replies } from "./one_server.ts";

const HERE = "127.0.0.1:5000";
const THERE = "10.0.0.1:5000";
const MAKE_ROOT = "ACL SETUSER root on >root ~* +@all";

function send(session: ClientSession, line: string): void {
  const bytes = requestBytes([line.split(" ")]);
  const space = session.inputSpace();
  assert(space.length >= bytes.length);
  space.set(bytes);
  session.received(bytes.length);
  for (let batch = session.nextBatch(); batch !== null; batch = session.nextBatch()) {
    session.submit(batch);
  }
}

/** What each line is answered with, its first line; they wait for `ms` each. */
function ask(fleet: Fleet, machine: Machine, lines: readonly string[], ms = 100): string[] {
  const session = machine.node!.openSession(HERE)!;
  return lines.map((line) => {
    send(session, line);
    machine.node!.turn();
    let said = "";
    for (let passed = 0; passed < ms && said === ""; passed++) {
      fleet.pass(1);
      said = replies(session);
    }
    return said.split("\r\n")[0]!;
  });
}

/** Three servers at cluster version 3; one follower restarts after `lines` and is cut off from the others. */
function restartedAlone(lines: readonly string[]): { fleet: Fleet; alone: Machine } {
  const fleet = new Fleet();
  const founders = fleet.found(3);
  fleet.until(() => founders.every(({ node }) => (node!.store?.clusterVersion ?? 0) >= 3));
  const leader = fleet.leader();
  for (const said of ask(fleet, leader, lines, 1_000)) assertEquals(said, "+OK");
  fleet.pass(2_000);
  const alone = founders.find((one) => one !== leader)!;
  alone.needsUsers = true;
  fleet.stop(alone.name);
  fleet.isolate(alone.name);
  fleet.start(alone.name);
  fleet.pass(10);
  return { fleet, alone };
}

const OPEN_TO_NOBODY = ["CLIENT LIST", "INFO", "READONLY", "GET k", "RAFTKV.STATUS", "ACL LIST"];

Deno.test("a server that restarts alone is shut where its log has users that it has not applied", () => {
  const { fleet, alone } = restartedAlone(["SET k 1", MAKE_ROOT]);
  assertEquals(alone.node!.store!.users.count, 0, "it has not applied it");
  const said = ask(fleet, alone, OPEN_TO_NOBODY);
  assertEquals(said, OPEN_TO_NOBODY.map(() => "-NOAUTH Authentication required."));
  const [authenticated] = ask(fleet, alone, ["AUTH root root"], 3_000);
  assert(authenticated!.startsWith("-LOADING"), authenticated);
  assertEquals(alone.node!.openSession(THERE), null);
  assert(alone.node!.turnedAwayWith.startsWith("-LOADING"), alone.node!.turnedAwayWith);
  // Once it hears a leader it knows its users.
  fleet.heal();
  fleet.until(() => alone.node!.store!.users.count === 1);
  fleet.pass(1_000);
  assertEquals(ask(fleet, alone, ["INFO", "AUTH root root"]), [
    "-NOAUTH Authentication required.",
    "+OK",
  ]);
  assert(alone.node!.openSession(THERE) !== null);
});

Deno.test("a server that restarts alone and never had users answers at once", () => {
  const { fleet, alone } = restartedAlone(["SET k 1"]);
  const said = ask(fleet, alone, ["CLIENT LIST", "INFO", "READONLY", "RAFTKV.STATUS"], 1);
  assert(said.every((one) => one !== "" && !one.startsWith("-")), said.join());
  // Others may have made some meanwhile.
  const [authenticated] = ask(fleet, alone, ["AUTH root root"], 3_000);
  assert(authenticated!.startsWith("-LOADING"), authenticated);
  assertEquals(alone.node!.openSession(THERE), null);
  assert(alone.node!.turnedAwayWith.startsWith("-LOADING"), alone.node!.turnedAwayWith);
  fleet.heal();
  fleet.pass(3_000);
  assertEquals(alone.node!.openSession(THERE), null);
  assert(alone.node!.turnedAwayWith.startsWith("-DENIED"), alone.node!.turnedAwayWith);
});

Deno.test("a server that waits to be added does not tell that there are no users", () => {
  const fleet = new Fleet();
  fleet.found(1);
  const { clusterId } = fleet.at(1).directory!.formation!;
  const joiner = fleet.add("2", 2, [placed(1), placed(2)], clusterId);
  fleet.stop("2");
  joiner.needsUsers = true;
  fleet.start("2");
  fleet.pass(10);
  assertEquals(joiner.node!.openSession(THERE), null);
  assert(joiner.node!.turnedAwayWith.startsWith("-LOADING"), joiner.node!.turnedAwayWith);
});

Deno.test("changes of users are found in an entry wherever they are, and nothing else is taken for one", () => {
  const none = new Uint8Array(0);
  const key = new Uint8Array([107]);
  const set = (out: ByteWriter) => {
    encodeCommand(out, Op.append, key, 0, 1, 0, 1);
  };
  const change = (out: ByteWriter) => {
    const at = encodeByUser(out, 7, 1);
    encodeChangeUser(out, "alice", []);
    endCommand(out, at);
  };
  const transaction = (out: ByteWriter, command: (out: ByteWriter) => void) => {
    const at = encodeCommand(out, Op.transaction, none, 0, 0, 0, 0);
    writeU32(out.bytes, at + 8, 1);
    writeU32(out.bytes, at + 12, 1);
    out.raw(new Uint8Array([0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 107]));
    out.u8(0);
    command(out);
    endCommand(out, at);
  };
  const found = (...commands: ((out: ByteWriter) => void)[]) => {
    const out = new ByteWriter();
    out.u32(0);
    for (const command of commands) command(out);
    return changesUsers(out.copy(), 4);
  };
  assertEquals(found(), false);
  assertEquals(found(set, set), false);
  assertEquals(found(set, change), true);
  assertEquals(found((out) => transaction(out, set), set), false);
  assertEquals(found((out) => transaction(out, change)), true);
});
