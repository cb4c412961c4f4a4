/** Clusters that have users: what asks them has to say who it is. */
import type { Cluster, Server } from "./harness.ts";
import { eventually } from "./patience.ts";
import { RedisSocket } from "./redis_socket.ts";

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** The server that leads, once one does; `as`: a user who may run ROLE. */
export async function leaderAs(cluster: Cluster, as: Credentials): Promise<Server> {
  let leader: Server | undefined;
  await eventually("a leader that serves", async () => {
    for (const server of cluster.servers.filter(({ isRunning }) => isRunning)) {
      using socket = await RedisSocket.connect(server.clientPort);
      if (await socket.ask("AUTH", as.user, as.password) !== "OK") continue;
      const role = await socket.ask("ROLE");
      if (Array.isArray(role) && role[0] === "master") leader = server;
    }
    return leader !== undefined;
  });
  return leader!;
}
