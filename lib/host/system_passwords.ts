/** Passwords' hashes and digests, by the runtime. */
import { createHmac, randomBytes, scrypt } from "node:crypto";
import type { Passwords, ScryptParameters } from "./ports.ts";

const HASH_BYTES = 32;
const KEY_BYTES = 32;

export class SystemPasswords implements Passwords {
  /** Drawn for this process: what is digested under it tells nothing once that ends. */
  readonly #key = randomBytes(KEY_BYTES);

  hashPassword(
    password: Uint8Array,
    salt: Uint8Array,
    { N, r, p }: ScryptParameters,
    done: (hash: Uint8Array | null) => void,
  ): void {
    // It takes 128 * r * (N + p) bytes, and some: the runtime's own bound is below that.
    const options = { N, r, p, maxmem: 256 * r * (N + p) };
    try {
      scrypt(password, salt, HASH_BYTES, options, (error, hash) => {
        done(error === null ? new Uint8Array(hash) : null);
      });
    } catch {
      // Parameters that the runtime refuses it refuses at once, and not by the callback.
      setTimeout(() => done(null), 0);
    }
  }

  keyedDigest(bytes: Uint8Array): string {
    return createHmac("sha256", this.#key).update(bytes).digest("base64");
  }
}
