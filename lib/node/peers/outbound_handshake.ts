/**
 * The handshakes of a link that this server makes, one for each of its connections: in which version it
 * says hello, and whether the welcome is that of the server that is meant.
 */
import type { ServerId } from "../../raft/types.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import {
  encodeHello,
  encodeProof,
  encodeRefusal,
  type Hello,
  PROTOCOL_VERSION_MIN,
  RefusalReason,
} from "../../wire/rpc/rpc.ts";
import type { LinkTarget } from "../members/known_member.ts";
import { certificateRefusal } from "./certificate_check.ts";
import { lifeRefusal } from "./hello_check.ts";
import { DiallerProof } from "./link_proof.ts";
import type { LinkOwner } from "./peer_link.ts";
import type { Refused } from "./refused.ts";

/** The owner of links, as far as handshakes go. */
export type HandshakeOwner = Pick<LinkOwner, "secret" | "protocolVersionMax" | "check" | "hello">;

export class OutboundHandshake {
  /** The welcome of the other end; null until it is found good. */
  welcome: Hello | null = null;
  /** The version of the next hello: the latest, unless the peer refuses it and is let in by another. */
  protocolVersion: number;
  readonly #links: HandshakeOwner;
  /** Of the present connection. */
  #proof: DiallerProof;

  constructor(links: HandshakeOwner) {
    this.#links = links;
    this.protocolVersion = links.protocolVersionMax;
    this.#proof = new DiallerProof(links.secret);
  }

  /** The other end has been sent a proof, and has not said that it is good. */
  get isAwaitingEntry(): boolean {
    return this.#proof.isAwaitingEntry;
  }

  get isProofCurrent(): boolean {
    return this.#proof.isCurrent;
  }

  /** What the other end says may be acted upon: it is no stranger who has the peer's address. */
  get isTrusted(): boolean {
    return this.#proof.isTrusted;
  }

  /**
   * Says hello over another connection; `peerNames`: of the certificate at its other end, undefined without
   * TLS. Where that is not the peer's, why: then nothing is said, and nothing that it says may count.
   */
  begin(to: ServerId, out: ByteWriter, peerNames?: readonly string[]): Refused | null {
    const stranger = certificateRefusal(to, peerNames);
    if (stranger !== null) return stranger;
    this.#proof = new DiallerProof(this.#links.secret);
    // Nobody can prove anything in the first version.
    if (this.#proof.isRequired) this.protocolVersion = this.#links.protocolVersionMax;
    encodeHello(out, this.#proof.challenge(this.#links.hello(to, this.protocolVersion)));
    return null;
  }

  /**
   * Why a welcome is none of whom is meant; null where it is kept. Appends what the other end has to be
   * told: the proof that it asks for, or that its own is none.
   */
  take(welcome: Hello, target: LinkTarget, out: ByteWriter): Refused | null {
    if (welcome.protocolVersion !== this.protocolVersion) {
      const text = `a welcome in protocol ${welcome.protocolVersion} to a hello in another`;
      return { reason: RefusalReason.otherVersion, text };
    }
    const unproven = this.#proof.take(welcome);
    if (unproven !== null) {
      // It may have no other way to learn of it.
      encodeRefusal(out, unproven.reason, unproven.text);
      return unproven;
    }
    const refused = this.#links.check(welcome) ?? lifeRefusal(target, welcome);
    if (refused !== null) {
      // Another process may answer next time: one that was upgraded, or a new life on another machine, which
      // can't be heard to speak a later version before it knows where this server is.
      this.protocolVersion = this.#links.protocolVersionMax;
      return refused;
    }
    this.welcome = welcome;
    const proof = this.#proof.answer(welcome);
    if (proof !== null) encodeProof(out, proof);
    return null;
  }

  /** The other end has let this one in. */
  entered(): void {
    this.#proof.isAwaitingEntry = false;
  }

  /**
   * True where a refusal is that of a build that knows the first version alone: the next hello is of that.
   * `hears`: the peer speaks the present version to this server.
   */
  fallsBack(reason: number, hears: boolean): boolean {
    // A peer that speaks this version to this server now knows it: somebody else answers here.
    const mayBeOlder = reason === RefusalReason.otherVersion && !this.#proof.isRequired && !hears;
    if (!mayBeOlder || this.protocolVersion === PROTOCOL_VERSION_MIN) return false;
    this.protocolVersion = PROTOCOL_VERSION_MIN;
    return true;
  }
}
