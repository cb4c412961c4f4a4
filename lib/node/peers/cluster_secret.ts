/**
 * The secret that the servers of a cluster prove to each other at the start of each connection, without
 * sending it. Who connects draws a nonce, who answers draws another one and proves first:
 *
 *   hello    dialler -> acceptor   nonce of the dialler
 *   welcome  acceptor -> dialler   nonce of the acceptor, MAC("welcome")
 *   proof    dialler -> acceptor   MAC("proof")
 *
 * A MAC is HMAC-SHA256 under the secret of: its role in ASCII, the dialler's nonce, the acceptor's, then of
 * the dialler and the acceptor each the id (u64), the incarnation (8 bytes) and the cluster id (16 bytes).
 * What each of these is for: both nonces are fresh, so an answer of an earlier connection, or of another one
 * at the same time, fits nowhere. The roles keep an acceptor's answer from passing for a dialler's, and
 * dialler and acceptor have their places, so that nobody's challenge is answered by itself over a connection
 * in the other direction. The identities keep a proof from speaking for another server, life or cluster.
 *
 * After that, frames are as they always were: who can change what travels between two servers can change
 * frames as well (docs/security.md). Against that there is TLS.
 */
import type { Rng } from "../../host/ports.ts";
import { hexToBytes } from "../../util/hex.ts";
import { assert } from "../../util/assert.ts";
import { ByteWriter, writeU32 } from "../../util/bytes.ts";
import { hmacSha256, isSameInConstantTime } from "../../util/mac.ts";
import { Feature, type Hello, NONCE_BYTES } from "../../wire/rpc/rpc.ts";

/** Both ends of a connection, as they describe themselves to each other. */
export interface Handshake {
  /** With the dialler's nonce. */
  readonly hello: Hello;
  /** With the acceptor's nonce. */
  readonly welcome: Hello;
}

export class ClusterSecret {
  /** Servers that name no secret are let in as well: while it is rolled in. */
  readonly isOptional: boolean;
  readonly #rng: Rng;
  #secrets: readonly Uint8Array[];

  /** `secrets`: the first is spoken, all are accepted. */
  constructor(secrets: readonly Uint8Array[], isOptional: boolean, rng: Rng) {
    assert(secrets.length > 0, "A cluster's secret was made of none");
    this.#secrets = secrets;
    this.isOptional = isOptional;
    this.#rng = rng;
  }

  /** From now on these; connections that were proven by none of them have to end. */
  exchange(secrets: readonly Uint8Array[]): void {
    assert(secrets.length > 0, "A cluster's secret was exchanged for none");
    this.#secrets = secrets;
  }

  /** True while what was proven by this one counts. */
  accepts(secret: Uint8Array): boolean {
    return this.#secrets.some((one) => isSameInConstantTime(one, secret));
  }

  /** Unpredictable, where the generator is; never the same twice. */
  drawNonce(): Uint8Array {
    const nonce = new Uint8Array(NONCE_BYTES);
    for (let at = 0; at < NONCE_BYTES; at += 4) writeU32(nonce, at, this.#rng.u32());
    return nonce;
  }

  /** The acceptor's proof. */
  welcomeMac(handshake: Handshake): Uint8Array {
    return hmacSha256(this.#secrets[0]!, text("welcome", handshake));
  }

  /** The dialler's proof. */
  proofMac(handshake: Handshake): Uint8Array {
    return hmacSha256(this.#secrets[0]!, text("proof", handshake));
  }

  /** By which secret the acceptor has proven itself; null: by none. */
  welcomedBy(handshake: Handshake, mac: Uint8Array): Uint8Array | null {
    return this.#provenBy(text("welcome", handshake), mac);
  }

  /** By which secret the dialler has. */
  provenBy(handshake: Handshake, mac: Uint8Array): Uint8Array | null {
    return this.#provenBy(text("proof", handshake), mac);
  }

  #provenBy(message: Uint8Array, mac: Uint8Array): Uint8Array | null {
    let found: Uint8Array | null = null;
    for (const secret of this.#secrets) {
      if (isSameInConstantTime(hmacSha256(secret, message), mac)) found = secret;
    }
    return found;
  }
}

/** What a MAC is of. After the role all fields have one length: no two handshakes make one text. */
function text(role: "welcome" | "proof", { hello, welcome }: Handshake): Uint8Array {
  const out = new ByteWriter();
  out.raw(new TextEncoder().encode(role));
  out.raw(nonceOf(hello));
  out.raw(nonceOf(welcome));
  for (const { from, incarnation, clusterId } of [hello, welcome]) {
    out.u64(from);
    out.raw(hexToBytes(incarnation));
    out.raw(hexToBytes(clusterId));
  }
  return out.copy();
}

function nonceOf({ features }: Hello): Uint8Array {
  return features.get(Feature.secret)!.subarray(0, NONCE_BYTES);
}
