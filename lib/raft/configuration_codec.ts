/**
 * A configuration's bytes: the payload of its entry, after the envelope, and a section of a snapshot.
 *
 * The plain form says who votes, and nothing else. It is what a cluster has until its members change:
 *
 *   u16 voters, that many u64 ids; u16 learners, that many u64 ids.
 *
 * The described form has each member's incarnation and addresses, and can be a joint configuration:
 *
 *   u16 0xffff   where the plain form has its count: no plain one has so many voters
 *   u8  1        the version of this form
 *   u8           members, 1 to MEMBERS_MAX; for each of them, by ascending id:
 *     u64        id, not 0
 *     u8         flags: 1 voter, 2 outgoing voter, 4 learner, 8 a learner once the joint configuration
 *                is left, 16 stays a learner
 *     8 bytes    incarnation
 *     u16, bytes addresses, up to ADDRESSES_BYTES_MAX: the caller's own format
 *
 * A build that knows the plain form alone refuses the other one, whose first number promises more ids
 * than there are: it must not get one (docs/versions.md).
 */
import { ByteFormatError, ByteReader, ByteWriter } from "../util/bytes.ts";
import { makeConfiguration, memberOf, MEMBERS_MAX } from "./configuration.ts";
import type { Configuration, Incarnation, Member, ServerId } from "./types.ts";

/** Of one member: a host name has up to 255 bytes, and there are four ports. */
export const ADDRESSES_BYTES_MAX = 512;

const DESCRIBED = 0xffff;
const DESCRIBED_VERSION = 1;

const Flag = { voter: 1, outgoing: 2, learner: 4, learnerNext: 8, stays: 16 } as const;
const KNOWN_FLAGS = 31;

/** The plain form where it says all that there is, as builds before the other one read it. */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const out = new ByteWriter(64);
  if (configuration.members.length > 0) encodeDescribed(out, configuration);
  else encodePlain(out, configuration);
  return out.copy();
}

function encodePlain(out: ByteWriter, { voters, learners }: Configuration): void {
  for (const ids of [voters, learners]) {
    out.u16(ids.length);
    for (const id of ids) out.u64(id);
  }
}

function encodeDescribed(out: ByteWriter, configuration: Configuration): void {
  out.u16(DESCRIBED);
  out.u8(DESCRIBED_VERSION);
  out.u8(configuration.members.length);
  for (const member of configuration.members) {
    out.u64(member.id);
    out.u8(flagsOf(configuration, member));
    out.u32(parseInt(member.incarnation.slice(0, 8), 16));
    out.u32(parseInt(member.incarnation.slice(8), 16));
    out.u16(member.addresses.length);
    out.raw(member.addresses);
  }
}

function flagsOf(configuration: Configuration, { id, staysLearner }: Member): number {
  const { voters, votersOutgoing, learners, learnersNext } = configuration;
  return (voters.includes(id) ? Flag.voter : 0) |
    (votersOutgoing.includes(id) ? Flag.outgoing : 0) |
    (learners.includes(id) ? Flag.learner : 0) |
    (learnersNext.includes(id) ? Flag.learnerNext : 0) | (staysLearner ? Flag.stays : 0);
}

/** True where the configuration at `offset` is in the form that builds before can't read. */
export function isDescribed(bytes: Uint8Array, offset: number): boolean {
  return ((bytes[offset]! << 8) | bytes[offset + 1]!) === DESCRIBED;
}

/** Throws `ByteFormatError` where the bytes are no configuration. */
export function decodeConfiguration(bytes: Uint8Array): Configuration {
  const reader = new ByteReader(bytes);
  const first = reader.u16();
  const configuration = first === DESCRIBED ? decodeDescribed(reader) : decodePlain(reader, first);
  reader.finish();
  return configuration;
}

function decodePlain(reader: ByteReader, count: number): Configuration {
  const ids = (count: number) => Array.from({ length: count }, () => reader.u64());
  const voters = ids(count);
  return makeConfiguration(voters, ids(reader.u16()));
}

function decodeDescribed(reader: ByteReader): Configuration {
  const version = reader.u8();
  if (version !== DESCRIBED_VERSION) {
    throw new ByteFormatError(`Configurations of form ${version} are unknown to this version`);
  }
  const count = reader.u8();
  const lists = { voters: [], votersOutgoing: [], learners: [], learnersNext: [] } as Record<
    "voters" | "votersOutgoing" | "learners" | "learnersNext",
    ServerId[]
  >;
  const members: Member[] = [];
  for (let i = 0; i < count; i++) {
    const id = reader.u64();
    const flags = reader.u8();
    if ((flags & ~KNOWN_FLAGS) !== 0) throw new ByteFormatError(`Server ${id} has flags ${flags}`);
    if ((flags & Flag.voter) !== 0) lists.voters.push(id);
    if ((flags & Flag.outgoing) !== 0) lists.votersOutgoing.push(id);
    if ((flags & Flag.learner) !== 0) lists.learners.push(id);
    if ((flags & Flag.learnerNext) !== 0) lists.learnersNext.push(id);
    const staysLearner = (flags & Flag.stays) !== 0;
    const incarnation = readIncarnation(reader);
    const length = reader.u16();
    if (length > ADDRESSES_BYTES_MAX) {
      throw new ByteFormatError(`Server ${id} has addresses of ${length} bytes`);
    }
    members.push({ id, incarnation, staysLearner, addresses: reader.copy(length) });
  }
  const configuration = { ...lists, members };
  const problem = configurationProblem(configuration);
  if (problem !== null) throw new ByteFormatError(problem);
  return configuration;
}

function readIncarnation(reader: ByteReader): Incarnation {
  const half = () => reader.u32().toString(16).padStart(8, "0");
  return half() + half();
}

const INCARNATION = /^[0-9a-f]{16}$/;

/** Says what is wrong with a described configuration, or null. */
export function configurationProblem(configuration: Configuration): string | null {
  const { voters, votersOutgoing, learners, learnersNext, members } = configuration;
  if (voters.length === 0) return "A configuration needs a voter";
  if (members.length > MEMBERS_MAX) return `More than ${MEMBERS_MAX} members`;
  for (const [at, { id, incarnation, staysLearner, addresses }] of members.entries()) {
    if (!Number.isSafeInteger(id) || id <= 0) return `${id} is no server id`;
    if (at > 0 && members[at - 1]!.id >= id) return "Members are not in order";
    const votes = voters.includes(id);
    const outgoing = votersOutgoing.includes(id);
    const learns = learners.includes(id);
    const willLearn = learnersNext.includes(id);
    if (learns ? votes || outgoing : !votes && !outgoing) return `Server ${id} has no one part`;
    if (willLearn && (votes || !outgoing)) return `Server ${id} is to learn, but does not leave`;
    if (staysLearner && !learns && !willLearn) return `Server ${id} stays a learner, but is none`;
    if (!INCARNATION.test(incarnation)) return `Server ${id} has no incarnation`;
    if (addresses.length > ADDRESSES_BYTES_MAX) return `Server ${id} has too long addresses`;
  }
  const known = (ids: readonly ServerId[]) => ids.every((id) => memberOf(configuration, id));
  const all = [voters, votersOutgoing, learners, learnersNext];
  return all.every(known) ? null : "A server is not described";
}
