/** What a server that lost the end of its log reports once its vote counts again. */
import { assertEquals } from "@std/assert";
import { noteSound, type Replica } from "../../lib/node/replica.ts";
import type { NodeHost } from "../../lib/node/api.ts";

Deno.test("a suspect server logs once that it has caught up, and not before a repair has ended", () => {
  const said: string[] = [];
  const host = { log: ({ message }: { message: string }) => void said.push(message) };
  const raft = { state: { suspect: true }, repairing: true };
  const suspect = { raft, isSuspect: true } as unknown as Replica;
  const ask = () => noteSound(suspect, host as unknown as NodeHost);
  ask();
  raft.state.suspect = false;
  ask();
  assertEquals(said, []);
  raft.repairing = false;
  ask();
  ask();
  assertEquals(said, ["Caught up: this server's vote counts in full again"]);
});

Deno.test("a server that was sound at startup logs nothing of it", () => {
  const raft = { state: { suspect: false }, repairing: false };
  const sound = { raft, isSuspect: false } as unknown as Replica;
  const log = () => {
    throw new Error("It said something");
  };
  noteSound(sound, { log } as unknown as NodeHost);
});
