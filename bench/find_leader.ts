/** Who leads, found the way any client finds it: by asking, and following redirects. */
import { type Address, formatAddress, LineClient, parseRedirect } from "./line_client.ts";

const ASK_TIMEOUT_MS = 500;
const PAUSE_MS = 20;
/** A key that nobody sets: a leader confirms its leadership to answer even that. */
const PROBE_KEY = "raftkv-bench-probe";

/** What one server says: itself a leader, or where the leader is, or why it can't be told. */
export type Standing =
  | { readonly kind: "leader" }
  | { readonly kind: "follower"; readonly leader: Address }
  | { readonly kind: "unknown"; readonly reason: string };

export async function askStanding(server: Address): Promise<Standing> {
  let client: LineClient | null = null;
  try {
    client = await LineClient.connect(server, ASK_TIMEOUT_MS);
    const { line } = await client.get(PROBE_KEY, ASK_TIMEOUT_MS);
    const leader = parseRedirect(line);
    if (leader !== null) return { kind: "follower", leader };
    const isLeader = line === "ERR_NOT_FOUND" || line.startsWith("VALUE ");
    return isLeader ? { kind: "leader" } : { kind: "unknown", reason: line };
  } catch (error) {
    return { kind: "unknown", reason: (error as Error).message };
  } finally {
    client?.close();
  }
}

export function pauseMs(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/**
 * The address of the server that answers as leader.
 * @throws {Error} where none does within `timeoutMs`, with what each server said last.
 */
export async function findLeader(
  servers: readonly Address[],
  timeoutMs: number,
): Promise<Address> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const standings = await Promise.all(servers.map(askStanding));
    const at = standings.findIndex((standing) => standing.kind === "leader");
    if (at >= 0) return servers[at]!;
    // The caller may know only some of the servers: a redirect can lead beyond the list.
    for (const standing of standings) {
      if (standing.kind !== "follower") continue;
      const answer = await askStanding(standing.leader);
      if (answer.kind === "leader") return standing.leader;
    }
    if (performance.now() > deadlineMs) {
      const said = standings.map((standing, i) =>
        `${formatAddress(servers[i]!)}: ${describe(standing)}`
      );
      throw new Error(`No leader within ${timeoutMs} ms. ${said.join("; ")}`);
    }
    await pauseMs(PAUSE_MS);
  }
}

/** True once every one of `servers` answers as the leader or points to the same one. */
export async function agreeOnLeader(servers: readonly Address[]): Promise<boolean> {
  const standings = await Promise.all(servers.map(askStanding));
  const at = standings.findIndex((standing) => standing.kind === "leader");
  if (at < 0) return false;
  const leader = formatAddress(servers[at]!);
  return standings.every((standing, i) =>
    i === at || (standing.kind === "follower" && formatAddress(standing.leader) === leader)
  );
}

function describe(standing: Standing): string {
  switch (standing.kind) {
    case "leader":
      return "leads";
    case "follower":
      return `says that ${formatAddress(standing.leader)} leads`;
    case "unknown":
      return standing.reason;
  }
}
