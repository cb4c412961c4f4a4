/**
 * The secret's part of one connection, at either end (cluster_secret.ts says what is proven). Before it is
 * proven nothing else that the other end says counts. Without a secret here, all of it says yes.
 */
import type { ServerId } from "../../raft/types.ts";
import {
  Feature,
  type Hello,
  NONCE_BYTES,
  PROTOCOL_VERSION_MIN,
  RefusalReason,
} from "../../wire/rpc/rpc.ts";
import type { ClusterSecret } from "./cluster_secret.ts";
import type { Refused } from "./refused.ts";

/** What was proven on a connection, at either end. */
class LinkProof {
  protected readonly secret: ClusterSecret | null;
  /** The secret that the other end has proven; null where it has proven none. */
  protected by: Uint8Array | null = null;

  constructor(secret: ClusterSecret | null) {
    this.secret = secret;
  }

  /** True where nothing may be believed that comes without a proof. */
  get isRequired(): boolean {
    return this.secret !== null && !this.secret.isOptional;
  }

  /** What the other end says may be acted upon. */
  get isTrusted(): boolean {
    return this.by !== null || !this.isRequired;
  }

  /** False where what was proven counts no more: the secret was exchanged. */
  get isCurrent(): boolean {
    return this.by === null ? !this.isRequired : this.secret!.accepts(this.by);
  }
}

/** At the end that accepted the connection. */
export class AcceptorProof extends LinkProof {
  #welcome: Hello | null = null;

  /** True from the welcome on until the proof has come. */
  get isAwaited(): boolean {
    return this.#welcome !== null && this.by === null;
  }

  get wasAsked(): boolean {
    return this.#welcome !== null;
  }

  /** Why this hello is not even answered; null where it is. */
  refusal(hello: Hello): Refused | null {
    return this.isRequired && !namesSecret(hello) ? missing(hello.from) : null;
  }

  /**
   * The welcome that proves the secret and asks for the proof of whoever said `hello`: to be sent at once.
   * Null where nothing is asked of it. `welcome`: as it would be without.
   */
  challenge(hello: Hello, welcome: () => Hello): Hello | null {
    const { secret } = this;
    if (secret === null || !namesSecret(hello)) return null;
    const asking = withSecret(welcome(), secret.drawNonce());
    const mac = secret.welcomeMac({ hello, welcome: asking });
    this.#welcome = asking;
    return withSecret(asking, joined(asking.features.get(Feature.secret)!, mac));
  }

  /** Takes the dialler's proof; null where it is good. */
  take(hello: Hello, mac: Uint8Array): Refused | null {
    this.by = this.secret!.provenBy({ hello, welcome: this.#welcome! }, mac);
    return this.by === null ? wrong(hello.from) : null;
  }
}

/** At the end that made the connection. */
export class DiallerProof extends LinkProof {
  #hello: Hello | null = null;
  /** The proof was sent, and the other end has not said that it takes it. */
  isAwaitingEntry = false;

  /** The hello as it is to be sent. */
  challenge(hello: Hello): Hello {
    const { secret } = this;
    if (secret === null || hello.protocolVersion === PROTOCOL_VERSION_MIN) return hello;
    return this.#hello = withSecret(hello, secret.drawNonce());
  }

  /** Checks the acceptor's proof; null where it is good, or nothing is asked of it. */
  take(welcome: Hello): Refused | null {
    if (this.#hello === null || !namesSecret(welcome)) {
      return this.isRequired ? missing(welcome.from) : null;
    }
    const mac = welcome.features.get(Feature.secret)!.subarray(NONCE_BYTES);
    this.by = this.secret!.welcomedBy({ hello: this.#hello, welcome }, mac);
    return this.by === null ? wrong(welcome.from) : null;
  }

  /** The proof to send after a welcome that `take` found good; null where the acceptor asks for none. */
  answer(welcome: Hello): Uint8Array | null {
    if (this.by === null) return null;
    this.isAwaitingEntry = true;
    return this.secret!.proofMac({ hello: this.#hello!, welcome });
  }
}

function namesSecret({ features }: Hello): boolean {
  return features.has(Feature.secret);
}

function withSecret(hello: Hello, value: Uint8Array): Hello {
  return { ...hello, features: new Map([...hello.features, [Feature.secret, value]]) };
}

function joined(nonce: Uint8Array, mac: Uint8Array): Uint8Array {
  const value = new Uint8Array(nonce.length + mac.length);
  value.set(nonce);
  value.set(mac, nonce.length);
  return value;
}

/** For either end; `id`: as that end calls itself. */
function missing(id: ServerId): Refused {
  return {
    reason: RefusalReason.secret,
    text: `server ${id} does not name the cluster's secret: it needs the secretFile that the ` +
      `others have, and a build that knows it (docs/security.md)`,
  };
}

function wrong(id: ServerId): Refused {
  return {
    reason: RefusalReason.secret,
    text: `server ${id} does not prove the cluster's secret: it has another one than this server ` +
      `(secretFile, docs/security.md)`,
  };
}

/**
 * What this server tells its own log where server `id` says so of it. Where that was still to prove itself,
 * anybody may have said so.
 */
export function secretDoubted(id: ServerId, isUnproven: boolean): string {
  const who = isUnproven
    ? `somebody who claims to be server ${id}, and has not proven it,`
    : `server ${id}`;
  return `${who} finds that this server does not prove the cluster's secret: it has ` +
    `another one, or none (secretFile, docs/security.md)`;
}
