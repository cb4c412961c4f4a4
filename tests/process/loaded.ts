/** Servers that have something: until then they refuse what they answer by themselves, as LOADING. */
import { assert } from "@std/assert";
import type { Server } from "./harness.ts";
import { eventually } from "./patience.ts";
import { RedisSocket } from "./redis_socket.ts";

/**
 * Until each of `servers` has applied an entry. A follower has heard of its leader before that, and a test
 * that subscribes or reads there at once may be the quicker one.
 */
export async function untilLoaded(servers: readonly Server[]): Promise<void> {
  for (const server of servers) {
    await eventually(`server ${server.id} to have something`, async () => {
      using socket = await RedisSocket.connect(server.clientPort);
      await socket.ask("READONLY");
      const reply = await socket.ask("GET", "no such key");
      if (reply === null) return true;
      assert(reply instanceof Error && reply.message.startsWith("LOADING"), `${reply}`);
      return false;
    });
  }
}
