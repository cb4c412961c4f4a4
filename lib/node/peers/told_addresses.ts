/** Where servers are, as they tell each other: each its own addresses, and those of others that are news. */
import type { Incarnation, ServerId } from "../../raft/types.ts";
import { ByteFormatError } from "../../util/bytes.ts";
import { type AddressNotice, encodeAddressNotice, Feature } from "../../wire/rpc/rpc.ts";
import {
  type Addresses,
  decodeAddresses,
  encodeAddresses,
  isSamePlace,
} from "../members/addresses.ts";
import type { KnownMembers } from "../members/known_members.ts";
import type { WelcomedLink } from "./peer_link.ts";

type Members = Pick<KnownMembers, "serverId" | "whoSaid" | "heardOf" | "claimed">;

export class ToldAddresses {
  readonly #members: Members;
  readonly #links: () => readonly WelcomedLink[];

  constructor(members: Members, links: () => readonly WelcomedLink[]) {
    this.#members = members;
    this.#links = links;
  }

  /** A server, of that incarnation, says where it or another one is. Returns what is wrong, or null. */
  receive(from: ServerId, incarnation: Incarnation, notice: AddressNotice): string | null {
    let addresses: Addresses | null;
    try {
      addresses = decodeAddresses(notice.addresses);
    } catch (error) {
      if (!(error instanceof ByteFormatError)) throw error;
      return `addresses that make no sense: ${error.message}`;
    }
    if (addresses === null) return null;
    if (notice.id !== from) {
      this.#members.heardOf(notice.id, notice.incarnation, addresses);
      return null;
    }
    if (!this.#members.claimed(from, incarnation, addresses)) return null;
    // Others may look for it where it was, and have no other way to hear of this than by this server.
    const told = { id: from, incarnation, addresses: notice.addresses };
    for (const link of this.#links()) if (link.peerId !== from) tell(link, told);
    return null;
  }

  /** A link is up: its server is told where this one is, and what is news of others. */
  tellAll(link: WelcomedLink): void {
    for (const { id, incarnation, said, logged } of this.#members.whoSaid()) {
      const isNews = logged === null || !isSamePlace(said, logged);
      if (id === link.peerId || (id !== this.#members.serverId && !isNews)) continue;
      tell(link, { id, incarnation, addresses: encodeAddresses(said) });
    }
  }
}

function tell(link: WelcomedLink, notice: AddressNotice): void {
  link.sendOf(Feature.claim, (out) => encodeAddressNotice(out, notice));
}
