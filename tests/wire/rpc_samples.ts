/** One frame of each kind, and what a decoder has to make of it. */
import { encodeKeyOnly, encodeSet, ExpiryKind, Op } from "../../lib/kv/commands/command.ts";
import { makeConfiguration } from "../../lib/raft/configuration.ts";
import { encodeConfiguration } from "../../lib/raft/configuration_codec.ts";
import { ENVELOPE_BYTES, writeEnvelope } from "../../lib/raft/envelope.ts";
import { type Configuration, type Entry, EntryKind, type Message } from "../../lib/raft/types.ts";
import { ByteWriter } from "../../lib/util/bytes.ts";
import {
  encodeAddressNotice,
  encodeDigest,
  encodeFacts,
  encodeFormation,
  encodeForward,
  encodeForwardEnd,
  encodeForwardTaken,
  encodeHello,
  encodeMessage,
  encodePing,
  encodePong,
  encodeProbe,
  encodeProbeResponse,
  encodeProof,
  encodePublish,
  encodeRefusal,
  encodeStatus,
  encodeWelcome,
  factsBytes,
  type FactsNotice,
  Feature,
  type FormationNotice,
  type Frame,
  type Hello,
  NO_FEATURES,
  RefusalReason,
} from "../../lib/wire/rpc/rpc.ts";

export const FRAME_BYTES_MAX = 100_000;
const LARGE = Number.MAX_SAFE_INTEGER;

export const HELLO: Hello = {
  protocolVersion: 1,
  clusterId: "00112233445566778899aabbccddeeff",
  from: 1,
  to: 3,
  incarnation: "0123456789abcdef",
  features: NO_FEATURES,
};

export const HELLO_2: Hello = {
  ...HELLO,
  protocolVersion: 2,
  features: new Map([
    [Feature.status, new Uint8Array(0)],
    [Feature.start, new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8])],
    [Feature.facts, new Uint8Array(0)],
  ]),
};

const MAC = new Uint8Array(32).map((_, at) => 255 - at);

export const WELCOME_WITH_PROOF: Hello = {
  ...HELLO,
  protocolVersion: 2,
  features: new Map([[Feature.secret, new Uint8Array(48).map((_, at) => at)]]),
};

const ADDRESS_NOTICE = {
  id: 3,
  incarnation: "0123456789abcdef",
  addresses: new Uint8Array([1, 2, 3]),
};

export const STATUS = {
  hasRoom: false,
  canWrite: true,
  isSuspect: false,
  isRepairing: true,
  appliedIndex: LARGE,
  logTimeMs: 1_800_000_000_000,
};

export const FACTS: FactsNotice = {
  facts: {
    version: "1.2.3",
    uptimeMs: LARGE,
    clusterVersion: 1,
    clusterVersionMax: 2,
    clusterVersionWaits: null,
    adminPort: 9100,
    role: "leader",
    term: 3,
    leaderId: 1,
    leaderMissingMs: 0,
    lastIndex: 9,
    commitIndex: 8,
    appliedIndex: 7,
    durableIndex: 9,
    snapshotIndex: 0,
    followers: [
      { id: 2, mode: "replicate", matchIndex: 9, lagEntries: 0, lagBytes: 0, lagMs: 0 },
      { id: 3, mode: "snapshot", matchIndex: 0, lagEntries: 9, lagBytes: null, lagMs: null },
    ],
    keys: 1,
    expiringKeys: 0,
    contentBytes: 2,
    connections: 3,
    memoryBytes: 80_000_000,
    diskBytes: null,
    isDiskShort: true,
    reservedLogBytes: 1_000,
    refusesSets: true,
    freeDescriptors: 32,
    fsyncP99Ms: 0.25,
    writeP99Ms: null,
    readP99Ms: null,
    writesTotal: 1,
    readsTotal: 2,
    refusedTotal: 3,
    electionsTotal: 1,
    leaderChangesTotal: 1,
    clockAheadMs: -1_500,
    keepsChanges: false,
    tellsChanges: false,
    problems: [{ kind: "clock", text: "Its wall clock is wrong: é" }],
  },
  events: [{
    serverId: 1,
    number: 1,
    atMs: 5,
    level: "info",
    message: "Peer up",
    detail: "peer=2",
  }],
};

export const DIGEST = { index: 7, digest: "00112233aabbccdd" };

export const NOTICE: FormationNotice = {
  stage: 1,
  incarnation: "0123456789abcdef",
  clusterId: "ffeeddccbbaa99887766554433221100",
  members: [
    { serverId: 1, incarnation: "0123456789abcdef" },
    { serverId: 2, incarnation: "0000000000000001" },
    { serverId: LARGE, incarnation: "ffffffffffffffff" },
  ],
};

function data(kind: EntryKind, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(ENVELOPE_BYTES + payload.length);
  writeEnvelope(bytes, kind, 1_700_000_000_000);
  bytes.set(payload, ENVELOPE_BYTES);
  return bytes;
}

export function noopData(): Uint8Array {
  return data(EntryKind.noop, new Uint8Array(0));
}

export function commandsData(valueBytes: number): Uint8Array {
  const out = new ByteWriter();
  const source = new Uint8Array(3 + valueBytes).fill(0x76);
  encodeSet(out, ExpiryKind.relative, 5000, source, 0, 3, 3, source.length);
  encodeKeyOnly(out, Op.delete, source, 0, 3);
  return data(EntryKind.commands, out.copy());
}

export function configurationData(voters: number[], learners: number[] = []): Uint8Array {
  return describedData(makeConfiguration(voters, learners));
}

export function describedData(configuration: Configuration): Uint8Array {
  return data(EntryKind.configuration, encodeConfiguration(configuration));
}

export function entriesFrom(firstIndex: number, terms: readonly number[]): Entry[] {
  const makers = [noopData, () => commandsData(40), () => configurationData([1, 2], [7])];
  return terms.map((term, i) => ({
    index: firstIndex + i,
    term,
    data: makers[i % makers.length]!(),
  }));
}

const TO = { from: 2, to: 1, term: 9 } as const;
const SOUND = { suspect: false, repairing: false, removed: false } as const;
const VOTE = { kind: "voteResponse", ...TO, ...SOUND } as const;

export const MESSAGES: readonly Message[] = [
  {
    kind: "voteRequest",
    ...TO,
    preVote: true,
    transfer: false,
    lastIndex: 4_294_967_300,
    lastTerm: 8,
  },
  { kind: "voteRequest", ...TO, preVote: false, transfer: true, lastIndex: 0, lastTerm: 0 },
  { ...VOTE, preVote: true, granted: false },
  { ...VOTE, preVote: false, granted: true },
  { ...VOTE, preVote: false, granted: true, suspect: true },
  { ...VOTE, preVote: false, granted: false, suspect: true, repairing: true },
  {
    kind: "appendRequest",
    ...TO,
    prevIndex: 0,
    prevTerm: 0,
    entries: [],
    commitIndex: 0,
    readRound: 0,
  },
  {
    kind: "appendRequest",
    ...TO,
    prevIndex: 41,
    prevTerm: 2,
    entries: entriesFrom(42, [2, 3, 3, 9]),
    commitIndex: 41,
    readRound: 77,
  },
  {
    kind: "appendResponse",
    ...TO,
    success: true,
    index: 45,
    hintIndex: 0,
    hintTerm: 0,
    readRound: 5,
  },
  {
    kind: "appendResponse",
    ...TO,
    term: LARGE,
    success: false,
    index: LARGE,
    hintIndex: LARGE,
    hintTerm: LARGE,
    readRound: LARGE,
  },
  { kind: "heartbeat", ...TO, commitIndex: 41, readRound: 78 },
  { kind: "heartbeatResponse", ...TO, readRound: 78 },
  { kind: "timeoutNow", ...TO },
  {
    kind: "snapshotChunk",
    ...TO,
    index: 4_294_967_300,
    snapshotTerm: 9,
    offset: 4_294_967_301,
    totalBytes: 4_294_967_301 + 5,
    data: new Uint8Array([1, 2, 3, 0xff, 0]),
  },
  {
    kind: "snapshotChunk",
    ...TO,
    index: 1,
    snapshotTerm: 1,
    offset: 0,
    totalBytes: 0,
    data: new Uint8Array(0),
  },
  {
    kind: "snapshotChunk",
    ...TO,
    index: 4_294_967_300,
    snapshotTerm: 9,
    offset: 4_294_967_301,
    totalBytes: null,
    data: new Uint8Array([1, 2, 3, 0xff, 0]),
  },
  {
    kind: "snapshotChunkResponse",
    ...TO,
    index: 4_294_967_300,
    snapshotTerm: 8,
    offset: LARGE,
  },
  { ...VOTE, preVote: true, granted: false, removed: true },
];

export interface Sample {
  readonly bytes: Uint8Array;
  readonly frame: Frame;
}

export function frameBytes(encode: (out: ByteWriter) => void): Uint8Array {
  const out = new ByteWriter(0);
  encode(out);
  return out.copy();
}

export const SAMPLES: readonly Sample[] = [
  {
    bytes: frameBytes((out) => encodeHello(out, HELLO)),
    frame: { type: "hello", hello: HELLO },
  },
  {
    bytes: frameBytes((out) => encodeWelcome(out, HELLO)),
    frame: { type: "welcome", hello: HELLO },
  },
  {
    bytes: frameBytes((out) => encodeRefusal(out, RefusalReason.stranger, "server 9 is none")),
    frame: { type: "refusal", reason: RefusalReason.stranger, text: "server 9 is none" },
  },
  {
    bytes: frameBytes((out) => encodeFormation(out, NOTICE)),
    frame: { type: "formation", notice: NOTICE },
  },
  {
    bytes: frameBytes((out) => encodeDigest(out, DIGEST)),
    frame: { type: "digest", notice: DIGEST },
  },
  {
    bytes: frameBytes((out) => encodeHello(out, HELLO_2)),
    frame: { type: "hello", hello: HELLO_2 },
  },
  {
    bytes: frameBytes((out) => encodeProbe(out, LARGE)),
    frame: { type: "probe", number: LARGE },
  },
  {
    bytes: frameBytes((out) => encodeProbeResponse(out, 1)),
    frame: { type: "probeResponse", number: 1 },
  },
  {
    bytes: frameBytes((out) => encodeAddressNotice(out, ADDRESS_NOTICE)),
    frame: { type: "addresses", notice: ADDRESS_NOTICE },
  },
  {
    bytes: frameBytes((out) => encodeStatus(out, STATUS)),
    frame: { type: "status", status: STATUS },
  },
  {
    bytes: frameBytes((out) => encodeFacts(out, factsBytes(FACTS))),
    frame: { type: "facts", notice: FACTS },
  },
  { bytes: frameBytes(encodePing), frame: { type: "ping" } },
  { bytes: frameBytes(encodePong), frame: { type: "pong" } },
  ...MESSAGES.map((message) => ({
    bytes: frameBytes((out) => encodeMessage(out, message)),
    frame: { type: "message" as const, message },
  })),
  {
    bytes: frameBytes((out) => encodeWelcome(out, WELCOME_WITH_PROOF)),
    frame: { type: "welcome", hello: WELCOME_WITH_PROOF },
  },
  {
    bytes: frameBytes((out) => encodeProof(out, MAC)),
    frame: { type: "proof", mac: MAC },
  },
  {
    bytes: frameBytes((out) => encodePublish(out, MAC.slice(0, 5), MAC)),
    frame: { type: "publish", notice: { channel: MAC.slice(0, 5), message: MAC } },
  },
  {
    bytes: frameBytes((out) => encodeForward(out, LARGE, MAC, 1, 9)),
    frame: { type: "forward", stream: LARGE, bytes: MAC.slice(1, 9) },
  },
  {
    bytes: frameBytes((out) => encodeForwardTaken(out, 3, 0xffff_ffff)),
    frame: { type: "forwardTaken", stream: 3, count: 0xffff_ffff },
  },
  {
    bytes: frameBytes((out) => encodeForwardEnd(out, 4, true)),
    frame: { type: "forwardEnd", stream: 4, isOrderly: true },
  },
];
