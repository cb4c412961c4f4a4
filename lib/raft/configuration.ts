/**
 * Who votes and who only listens, as a value. Nothing assumes a fixed count or ids 1..N.
 *
 * A configuration entry's payload, after the envelope:
 *   u16 voters, that many u64 ids; u16 learners, that many u64 ids.
 */
import { ByteReader, ByteWriter } from "../util/bytes.ts";
import type { Configuration, ServerId } from "./types.ts";

/** A configuration with its ids sorted; refuses duplicates. */
export function makeConfiguration(
  voters: readonly ServerId[],
  learners: readonly ServerId[] = [],
): Configuration {
  const all = [...voters, ...learners];
  if (new Set(all).size !== all.length) throw new Error(`Server ids repeat: ${all.join(", ")}`);
  const ascending = (a: number, b: number) => a - b;
  return { voters: [...voters].sort(ascending), learners: [...learners].sort(ascending) };
}

/** All who get the log: voters, then learners. */
export function members(configuration: Configuration): ServerId[] {
  return [...configuration.voters, ...configuration.learners];
}

export function isVoter(configuration: Configuration, id: ServerId): boolean {
  return configuration.voters.includes(id);
}

export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const out = new ByteWriter(64);
  for (const ids of [configuration.voters, configuration.learners]) {
    out.u16(ids.length);
    for (const id of ids) out.u64(id);
  }
  return out.copy();
}

/** Throws `ByteFormatError` where the bytes are no configuration. */
export function decodeConfiguration(bytes: Uint8Array): Configuration {
  const reader = new ByteReader(bytes);
  const ids = () => Array.from({ length: reader.u16() }, () => reader.u64());
  const configuration = makeConfiguration(ids(), ids());
  reader.finish();
  return configuration;
}
