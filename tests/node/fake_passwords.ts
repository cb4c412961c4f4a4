/** Passwords' hashes without the work: alike where password and salt are, and handed out when told to. */
import type { Passwords, ScryptParameters } from "../../lib/host/ports.ts";
import { checksum } from "../../lib/util/checksum.ts";

export class FakePasswords implements Passwords {
  /** How many were asked for. */
  hashes = 0;
  /** The system has no memory for the next ones. */
  isFailing = false;
  readonly #defer: (run: () => void) => void;

  /** `defer`: runs a completion later, never from within the call. */
  constructor(defer: (run: () => void) => void) {
    this.#defer = defer;
  }

  hashPassword(
    password: Uint8Array,
    salt: Uint8Array,
    { N, r, p }: ScryptParameters,
    done: (hash: Uint8Array | null) => void,
  ): void {
    this.hashes++;
    const hash = this.isFailing ? null : fakeHash([...password, 0, ...salt, N & 255, r, p]);
    this.#defer(() => done(hash));
  }

  keyedDigest(bytes: Uint8Array): string {
    return fakeHash([1, ...bytes]).join(",");
  }
}

/** 32 bytes that depend on all of `bytes`. */
function fakeHash(bytes: readonly number[]): Uint8Array {
  const hash = new Uint8Array(32);
  for (let i = 0; i < hash.length; i += 4) {
    new DataView(hash.buffer).setUint32(i, checksum(new Uint8Array([i, ...bytes])));
  }
  return hash;
}
