/** What `/metrics` shows of watches. */
import type { NodeCounts } from "../node/facts/node_view.ts";
import type { Family } from "./metrics_text.ts";

export const WATCHES: readonly Family<Pick<NodeCounts, "watches">>[] = [
  {
    name: "raftkv_watches",
    help: "Watches of all connections.",
    type: "gauge",
    read: (c) => c.watches.count,
  },
  {
    name: "raftkv_watch_groups_total",
    help: "Groups of events that watches were told.",
    type: "counter",
    read: (c) => c.watches.groups,
  },
  {
    name: "raftkv_watches_lost_total",
    help: "Watches that ended as what they had to tell was kept no more.",
    type: "counter",
    read: (c) => c.watches.lost,
  },
  {
    name: "raftkv_watch_history_bytes",
    help: "Memory of the changes that are kept for watches; at most limits.historyBytes.",
    type: "gauge",
    read: (c) => c.watches.historyBytes,
  },
];
