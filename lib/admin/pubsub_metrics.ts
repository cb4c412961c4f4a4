/** What `/metrics` shows of channels. */
import type { NodeCounts } from "../node/facts/node_view.ts";
import type { Family } from "./metrics_text.ts";

export const PUBSUB: readonly Family<Pick<NodeCounts, "pubsub">>[] = [
  {
    name: "raftkv_subscriptions",
    help: "Channels and patterns that connections subscribe to, each for every connection.",
    type: "gauge",
    read: (c) => c.pubsub.subscriptions,
  },
  {
    name: "raftkv_published_total",
    help: "Messages that clients of this server have published.",
    type: "counter",
    read: (c) => c.pubsub.published,
  },
  {
    name: "raftkv_published_received_total",
    help: "Messages that other servers have handed on.",
    type: "counter",
    read: (c) => c.pubsub.received,
  },
  {
    name: "raftkv_published_dropped_total",
    help: "Messages that a link to another server had no room for.",
    type: "counter",
    read: (c) => c.pubsub.dropped,
  },
  {
    name: "raftkv_subscribers_told_total",
    help: "Messages for subscribers, those of changes of keys among them.",
    type: "counter",
    read: (c) => c.pubsub.told,
  },
  {
    name: "raftkv_subscribers_slow_total",
    help: "Subscribers that were disconnected as too much waited to be taken by them.",
    type: "counter",
    read: (c) => c.pubsub.slow,
  },
  {
    name: "raftkv_subscriber_queue_bytes",
    help: "What waits to be taken by subscribers; at most limits.subscribersBytesMax.",
    type: "gauge",
    read: (c) => c.pubsub.queuedBytes,
  },
  {
    name: "raftkv_tracking_connections",
    help: "Connections that are told what to forget of what they have read: CLIENT TRACKING.",
    type: "gauge",
    read: (c) => c.pubsub.tracking,
  },
  {
    name: "raftkv_tracking_invalidated_total",
    help: "Keys that such a connection was told to forget.",
    type: "counter",
    read: (c) => c.pubsub.invalidated,
  },
  {
    name: "raftkv_tracking_flushes_total",
    help: "Times that all of them were told to forget all.",
    type: "counter",
    read: (c) => c.pubsub.flushes,
  },
  {
    name: "raftkv_tracked_bytes",
    help: "Memory of which connections have read which keys; at most limits.trackingBytesMax.",
    type: "gauge",
    read: (c) => c.pubsub.trackedBytes,
  },
];
