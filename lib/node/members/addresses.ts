/**
 * Where a member is reached, as bytes: for the log, which keeps them with its members (raft/types.ts:
 * Member.addresses), and for the frame in which a server names its own.
 *
 *   0  u8   1, the version of this form
 *   1  u16  client port, not 0
 *   3  u16  log port, not 0
 *   5  u8   length of the host name, 1 to 253; the host name in ASCII
 *
 * What follows is a later build's, and skipped. No bytes at all stand for addresses that are not known:
 * those of founders are in the cluster file until something changes.
 */
import { hasHostnameLetters } from "../../util/address.ts";
import { assert } from "../../util/assert.ts";
import { ByteFormatError, ByteReader, ByteWriter } from "../../util/bytes.ts";
import type { PeerAddress } from "../api.ts";
import { latin1 } from "../../util/latin1.ts";

/** The name or address that others and clients are told, and its ports. */
export interface Addresses {
  readonly hostname: string;
  readonly clientPort: number;
  readonly logPort: number;
}

/** Addresses that are not known. */
export const NO_ADDRESSES: Uint8Array = new Uint8Array(0);

const VERSION = 1;
const PORT_MAX = 65_535;

export function encodeAddresses({ hostname, clientPort, logPort }: Addresses): Uint8Array {
  assert(hasHostnameLetters(hostname), `${JSON.stringify(hostname)} is no host name`);
  for (const port of [clientPort, logPort]) {
    assert(Number.isInteger(port) && port > 0 && port <= PORT_MAX, `${port} is no port`);
  }
  const out = new ByteWriter(6 + hostname.length);
  out.u8(VERSION);
  out.u16(clientPort);
  out.u16(logPort);
  out.u8(hostname.length);
  for (let i = 0; i < hostname.length; i++) out.u8(hostname.charCodeAt(i));
  return out.copy();
}

/** Null for no bytes. Throws `ByteFormatError` where they are no addresses. */
export function decodeAddresses(bytes: Uint8Array): Addresses | null {
  if (bytes.length === 0) return null;
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== VERSION) throw new ByteFormatError(`addresses of form ${version} are unknown`);
  const clientPort = reader.u16();
  const logPort = reader.u16();
  const hostname = latin1(reader.view(reader.u8()));
  if (clientPort === 0 || logPort === 0) throw new ByteFormatError("a port is 0");
  if (!hasHostnameLetters(hostname)) throw new ByteFormatError("its host name is none");
  return { hostname, clientPort, logPort };
}

/** The same, without what else there may be. */
export function placeOf({ hostname, clientPort, logPort }: Addresses): Addresses {
  return { hostname, clientPort, logPort };
}

export function isSamePlace(a: Addresses, b: Addresses): boolean {
  return a.hostname === b.hostname && a.clientPort === b.clientPort && a.logPort === b.logPort;
}

/** The first of `places` whose clients somebody else takes than whoever is at `here`; null where none is. */
export function placeElsewhere(
  places: readonly Addresses[],
  here: Addresses | undefined,
): Addresses | null {
  const isElsewhere = ({ hostname, clientPort }: Addresses) =>
    hostname !== here?.hostname || clientPort !== here.clientPort;
  return places.find(isElsewhere) ?? null;
}

/** Where the other servers' frames are taken. */
export function logPlaces(places: readonly Addresses[]): readonly PeerAddress[] {
  return places.map(({ hostname, logPort: port }) => ({ hostname, port }));
}
