/** Of ports that speak TLS. */
import type { NodeCounts } from "../node/facts/node_view.ts";
import type { Family } from "./metrics_text.ts";

export const TLS: readonly Family<NodeCounts>[] = [
  {
    name: "raftkv_tls_certificate_expiry_seconds",
    help: "How long a port's certificate is still valid; absent without TLS.",
    type: "gauge",
    read: ({ machine }) => {
      return machine.certificates.map(({ port, expiresInMs }) => {
        return [`port="${port}"`, expiresInMs / 1_000] as const;
      });
    },
  },
  {
    name: "raftkv_tls_plain_links",
    help: "Connections on the log port without TLS; absent unless it is optional there.",
    type: "gauge",
    read: ({ machine }) => machine.plainLinks ?? null,
  },
];
