/** Asks a server's admin port, as a probe or a page would. */
import type { ClusterStatus, ServerFacts, ServerStatus } from "../../lib/wire/status.ts";
import type { Server } from "./harness.ts";
import { eventually } from "./patience.ts";

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Rejects where there is no answer within `deadlineMs`. */
export async function ask(
  server: Pick<Server, "adminPort">,
  path: string,
  headers: Record<string, string> = {},
  deadlineMs = 5_000,
): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${server.adminPort}${path}`, {
    headers,
    signal: AbortSignal.timeout(deadlineMs),
  });
  return { status: response.status, body: await response.text() };
}

export async function statusOf(server: Server): Promise<ClusterStatus> {
  const { body } = await ask(server, "/status");
  return JSON.parse(body) as ClusterStatus;
}

/** What `server` says of server `id`. */
export async function seen(server: Server, id: number): Promise<ServerStatus> {
  return (await statusOf(server)).servers.find((one) => one.id === id)!;
}

/** What a server says of itself. */
export async function factsOf(server: Server): Promise<ServerFacts> {
  return (await seen(server, server.id)).facts!;
}

/** Waits until a path of a server answers with this status. */
export async function answers(server: Server, path: string, status: number): Promise<void> {
  await eventually(`server ${server.id} to answer ${path} with ${status}`, async () => {
    const answer = await ask(server, path).catch(() => null);
    return answer?.status === status;
  }, 30_000);
}
