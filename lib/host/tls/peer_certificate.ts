/** The certificate of the other end of a connection whose handshake has passed. */
import { X509Certificate } from "node:crypto";
import type { DetailedPeerCertificate, TLSSocket } from "node:tls";
import { dnsNamesOf } from "./certificate_names.ts";
import type { Credentials } from "./credentials.ts";
import { refusalWords } from "./refusals.ts";

/** Certificates between one's own and a CA's: more than anybody has. */
const CHAIN_MAX = 8;

export interface PeerCertificate {
  /** The DNS names that it is for, in lower case. */
  readonly names: readonly string[];
}

/** Half a sentence where the connection must not be served after all. */
export function peerOf(socket: TLSSocket, credentials: Credentials): PeerCertificate | string {
  // The runtime has refused it by then; nothing is lost by asking once more.
  if (!socket.authorized) return refusalWords(new Error(`${socket.authorizationError}`));
  const shown = socket.getPeerCertificate(true);
  if (shown?.raw === undefined) return "it showed no certificate";
  try {
    // What the runtime trusted may be another CA than today's: that of the session that is resumed, of the
    // time when the handshake began, or of its own settings (2.7.14 took DENO_CERT beside those).
    if (socket.isSessionReused() || credentials.authorities.length > 0) {
      const fault = chainFault(chainOf(shown), credentials.authorities, Date.now());
      if (fault !== null) return fault;
    }
    return { names: dnsNamesOf(shown.raw) };
  } catch (error) {
    return `its certificate can't be read: ${(error as Error).message}`;
  }
}

/** Its certificate, then those it was issued with, as far as the session has kept them. */
function chainOf(shown: DetailedPeerCertificate): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next: DetailedPeerCertificate | undefined = shown;
  while (next?.raw !== undefined && chain.length < CHAIN_MAX) {
    chain.push(new X509Certificate(next.raw));
    if (next.issuerCertificate === next) break;
    next = next.issuerCertificate;
  }
  return chain;
}

/**
 * Half a sentence where no chain leads from the certificate to one of these CAs. A resumed session was
 * checked when it began, against what was trusted then: its CA may have been dropped since, and its
 * certificate may have expired.
 */
export function chainFault(
  chain: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
  nowMs: number,
): string | null {
  for (const [at, certificate] of chain.entries()) {
    if (nowMs > Date.parse(certificate.validTo)) return "its certificate has expired";
    if (authorities.some((one) => isIssuedBy(certificate, one))) return null;
    const next = chain[at + 1];
    if (next === undefined || !next.ca || !isIssuedBy(certificate, next)) break;
  }
  return "its certificate is of no CA trusted here";
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}
