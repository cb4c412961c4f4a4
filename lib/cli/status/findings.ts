/** What a probe of `raftkv check` says. Pure. */
import type { ClusterNow } from "./ask_all.ts";

export type Verdict = "ok" | "warning" | "fault" | "unknown";

export interface Finding {
  readonly probe: string;
  readonly verdict: Verdict;
  readonly found: string;
  /** What to do; empty where there is nothing to do. */
  readonly advice: string;
}

export type Now = Pick<ClusterNow, "view" | "answers" | "choice">;

export function ok(probe: string, found: string): Finding {
  return { probe, verdict: "ok", found, advice: "" };
}

export function unknown(probe: string, found: string): Finding {
  return { probe, verdict: "unknown", found, advice: "" };
}
