/** What `/metrics` shows of watches. */
import type { NodeCounts } from "../node/facts/node_view.ts";
import { counter, type Family, gauge } from "./metrics_text.ts";

export const WATCHES: readonly Family<Pick<NodeCounts, "watches">>[] = [
  gauge("raftkv_watches", "Watches of all connections.", (c) => c.watches.count),
  counter("raftkv_watch_groups_total", "Groups of events that watches were told.", (c) => {
    return c.watches.groups;
  }),
  counter(
    "raftkv_watches_lost_total",
    "Watches that ended as what they had to tell was kept no more.",
    (c) => c.watches.lost,
  ),
  gauge(
    "raftkv_watch_history_bytes",
    "Memory of the changes that are kept for watches; at most limits.historyBytes.",
    (c) => c.watches.historyBytes,
  ),
];
