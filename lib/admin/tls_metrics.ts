/** Of ports that speak TLS. */
import type { NodeCounts } from "../node/facts/node_view.ts";
import { type Family, gauge } from "./metrics_text.ts";

export const TLS: readonly Family<NodeCounts>[] = [
  gauge(
    "raftkv_tls_certificate_expiry_seconds",
    "How long a port's certificate is still valid; absent without TLS.",
    ({ machine }) => {
      return machine.certificates.map(({ port, expiresInMs }) => {
        return [`port="${port}"`, expiresInMs / 1_000] as const;
      });
    },
  ),
  gauge(
    "raftkv_tls_plain_links",
    "Connections on the log port without TLS; absent unless it is optional there.",
    ({ machine }) => machine.plainLinks ?? null,
  ),
];
