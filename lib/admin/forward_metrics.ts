/** What `/metrics` shows of commands that are forwarded to the leader. */
import type { NodeCounts } from "../node/facts/node_view.ts";
import type { Family } from "./metrics_text.ts";

export const FORWARDING: readonly Family<Pick<NodeCounts, "forwarded" | "forwardedClients">>[] = [
  {
    name: "raftkv_forward_commands_total",
    help: "Commands that this server sent on to a leader, each as often as it was sent.",
    type: "counter",
    read: (c) => c.forwarded.sent,
  },
  {
    name: "raftkv_forward_not_done_total",
    help: "Of these: not done by a server that led no more; most are sent to the next leader.",
    type: "counter",
    read: (c) => c.forwarded.notDone,
  },
  {
    name: "raftkv_forward_lost_total",
    help: "Of these: outcome unknown, as the connection ended before the answer.",
    type: "counter",
    read: (c) => c.forwarded.lost,
  },
  {
    name: "raftkv_forward_refused_total",
    help: "Commands that found no leader in time after one had not done them.",
    type: "counter",
    read: (c) => c.forwarded.refused,
  },
  {
    name: "raftkv_forward_waiting_bytes",
    help: "Commands that were sent on and are not answered.",
    type: "gauge",
    read: (c) => c.forwarded.waitingBytes,
  },
  {
    name: "raftkv_forward_clients",
    help: "On a leader: clients of other servers that have sent commands on to it.",
    type: "gauge",
    read: (c) => c.forwardedClients,
  },
];
