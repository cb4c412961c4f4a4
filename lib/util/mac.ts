/**
 * Message authentication codes: HMAC-SHA256 (RFC 2104, FIPS 198-1), by the runtime's own code. Loading that
 * costs memory, so only what is loaded where a secret is configured imports this.
 */
import { createHmac, timingSafeEqual } from "node:crypto";

export function hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac("sha256", key).update(message).digest());
}

/** How long it takes tells nothing of where they differ. */
export function isSameInConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
