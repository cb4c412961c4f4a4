/** What this server says of itself at the start of a connection. */
import type { Incarnation, ServerId } from "../../raft/types.ts";
import { hexToBytes } from "../../util/hex.ts";
import type { ClusterId } from "../../storage/types.ts";
import {
  Feature,
  type Features,
  ForwardPurpose,
  type Hello,
  NO_FEATURES,
  PROTOCOL_VERSION_MIN,
} from "../../wire/rpc/rpc.ts";
import { encodeClaim } from "../members/claim.ts";
import type { PeerLinksOptions } from "./peer_events.ts";
import { encodePeerVersion } from "./peer_version.ts";

type Told = Pick<PeerLinksOptions, "startId" | "version" | "serverId" | "directory" | "members">;

export class OwnHello {
  readonly #told: Told;
  readonly #features: Features;

  constructor(told: Told) {
    this.#told = told;
    this.#features = new Map([
      [Feature.status, new Uint8Array(0)],
      [Feature.start, hexToBytes(told.startId)],
      [Feature.facts, new Uint8Array(0)],
      [Feature.clusterVersion, encodePeerVersion(told.version)],
      [Feature.pieces, new Uint8Array(0)],
      [Feature.publish, new Uint8Array(0)],
      [Feature.forward, Uint8Array.of(ForwardPurpose.messages)],
    ]);
  }

  /** `clusterId`: zeroes while unformed. `asking`: as in `LinkOwner.hello`. */
  to(
    to: ServerId,
    protocolVersion: number,
    clusterId: ClusterId,
    asking: Incarnation | null,
  ): Hello {
    const { serverId: from, directory: { identity: { incarnation } } } = this.#told;
    const features = protocolVersion === PROTOCOL_VERSION_MIN
      ? NO_FEATURES
      : this.#featuresTo(to, asking);
    return { protocolVersion, clusterId, from, to, incarnation, features };
  }

  #featuresTo(to: ServerId, asking: Incarnation | null): Features {
    const claim = encodeClaim(this.#told.members.claimTo(to, asking));
    return new Map([...this.#features, [Feature.claim, claim]]);
  }
}
