/**
 * The secret that the servers of a seed prove to each other: exchanged again and again while they run, or
 * rolled in. And somebody without it, who connects to their log ports, says what he has overheard, and sends
 * what must never reach the core.
 */
import { ClusterSecret } from "../../lib/node/peers/cluster_secret.ts";
import type { InboundLink } from "../../lib/node/api.ts";
import type { Rng } from "../../lib/host/ports.ts";
import { ByteWriter } from "../../lib/util/bytes.ts";
import { Random } from "../../lib/util/random.ts";
import { LENGTH_BYTES } from "../../lib/wire/rpc/frame.ts";
import {
  encodeHello,
  encodeMessage,
  encodeProof,
  Feature,
  type Frame,
  FrameDecoder,
  FrameType,
  type Hello,
  NONCE_BYTES,
} from "../../lib/wire/rpc/rpc.ts";
import type { Handler, SimEvent } from "./heap.ts";
import { Kind } from "./kinds.ts";
import type { Part } from "./server_setting.ts";
import type { SimServer } from "./sim_server.ts";
import { CheckFailure, type World } from "./world.ts";

/** None; exchanged while the servers run; or rolled in, where some know none and none has to. */
export type SecretOption = "none" | "exchanged" | "rolledIn";

const STEP_US = 8_000_000;
/** Within so much of a step each server has read the file again. */
const SPREAD_US = 4_000_000;
const INTRUSION_MAX_US = 400_000;
/** No server of any seed ever comes to such a term by itself. */
export const FORGED_TERM = 2 ** 50;
const OVERHEARD_MAX = 64;

/** The `step`th content of the file: old; old and new; new and old; new; and so on with the next one. */
function textsAt(step: number): string[] {
  const text = (number: number) => `secret ${number}`.padEnd(32, "-");
  const old = Math.floor(step / 3);
  return [[text(old)], [text(old), text(old + 1)], [text(old + 1), text(old)]][step % 3]!;
}

/** A stream of its own: other draws stay as they are. */
export function drawSecret(seed: number, older: readonly number[]): SecretOption {
  const random = new Random(seed ^ 0x5ec4e7);
  const drawn = random.chance(0.7) ? "none" : random.pick(["exchanged", "exchanged", "rolledIn"]);
  // A build before proves nothing.
  return older.length > 0 && drawn !== "none" ? "rolledIn" : drawn as SecretOption;
}

export class Secrets implements Handler {
  readonly #option: SecretOption;
  readonly #world: World;
  readonly #servers: readonly SimServer[];
  readonly #random: Random;
  #step = 0;

  constructor(
    option: SecretOption,
    seed: number,
    world: World,
    servers: readonly SimServer[],
  ) {
    this.#option = option;
    this.#world = world;
    this.#servers = servers;
    this.#random = new Random(seed ^ 0x5ec4e8);
    if (option === "exchanged") this.#later(STEP_US, () => this.#exchange());
  }

  /** What a server that starts now is given. */
  atStart(rng: Rng): ClusterSecret | undefined {
    if (this.#option === "none") return undefined;
    const isRolledIn = this.#option === "rolledIn";
    if (isRolledIn && this.#random.chance(0.5)) return undefined;
    return new ClusterSecret(this.#secrets(), isRolledIn, rng);
  }

  /** A server reads the file again. */
  reload(secret: ClusterSecret): void {
    secret.exchange(this.#secrets());
    this.#world.counters.add("secrets read again");
  }

  #secrets(): Uint8Array[] {
    return textsAt(this.#step).map((text) => new TextEncoder().encode(text));
  }

  #exchange(): void {
    this.#step++;
    for (const server of this.#servers) {
      this.#later(this.#random.between(0, SPREAD_US), () => server.orders.reloadSecret());
    }
    this.#later(STEP_US, () => this.#exchange());
  }

  handle(event: SimEvent): void {
    event.call!();
  }

  #later(delayUs: number, call: () => void): void {
    this.#world.schedule(delayUs, this, Kind.faultBegin, 0, 0, null, call);
  }
}

/** Has no secret, and has heard everything that was ever said in a handshake. */
export class Intruder implements Handler, Part {
  readonly #world: World;
  readonly #servers: readonly SimServer[];
  readonly #random: Random;
  readonly #hellos: Hello[] = [];
  readonly #proofs: Uint8Array[] = [];
  #victim: SimServer | null = null;

  constructor(seed: number, world: World, servers: readonly SimServer[]) {
    this.#world = world;
    this.#servers = servers;
    this.#random = new Random(seed ^ 0x1274);
    this.#again();
  }

  /** A frame leaves a server. */
  overhears(frame: Uint8Array): void {
    const type = frame[LENGTH_BYTES];
    if (type !== FrameType.hello && type !== FrameType.proof) return;
    const decoder = new FrameDecoder(100_000);
    decoder.push(frame);
    const heard = decoder.next()!;
    if (heard.type === "hello") keep(this.#hellos, heard.hello);
    if (heard.type === "proof") keep(this.#proofs, heard.mac);
  }

  handle(event: SimEvent): void {
    this.#again();
    const up = this.#servers.filter(({ isDown, isPaused }) => !isDown && !isPaused);
    if (up.length === 0 || this.#hellos.length === 0) return;
    this.#victim = this.#random.pick(up);
    this.#victim.deliver(event, this);
  }

  #again(): void {
    this.#world.schedule(this.#random.between(1_000, INTRUSION_MAX_US), this, Kind.faultBegin);
  }

  perform(): void {
    const victim = this.#victim!;
    const random = this.#random;
    const heard = random.pick(this.#hellos);
    const about = { to: victim.serverId };
    const hello = random.chance(0.7) ? { ...heard, ...about } : heard;
    const said = random.pick([hello, without(hello), { ...hello, protocolVersion: 1 }]);
    const link = victim.node!.openInboundLink("somewhere");
    const answers = say(link, (out) => encodeHello(out, said));
    for (let tries = random.between(1, 3); tries > 0; tries--) {
      say(link, (out) => this.#prove(out, answers));
      say(link, (out) => encodeMessage(out, forged(said.from, victim.serverId)));
    }
    this.#world.counters.add(link.closing === null ? "intruders in" : "intruders refused");
    link.disconnected();
  }

  pump(): void {}

  describe(): string {
    return "an intruder";
  }

  /** With what was overheard, with what the server has just proven itself by, or not at all. */
  #prove(out: ByteWriter, answers: readonly Frame[]): void {
    const welcome = answers.find((frame) => frame.type === "welcome");
    const mac = welcome?.type === "welcome"
      ? welcome.hello.features.get(Feature.secret)?.subarray(NONCE_BYTES)
      : undefined;
    const choice = this.#random.between(0, 2);
    if (choice === 0 && mac?.length === 32) encodeProof(out, mac);
    else if (choice === 1 && this.#proofs.length > 0) {
      encodeProof(out, this.#random.pick(this.#proofs));
    }
  }
}

/** After each step: what an intruder sends is not believed. */
export function checkForged(id: number, term: number): void {
  if (term < FORGED_TERM) return;
  throw new CheckFailure(
    "secret",
    `server ${id} has taken in what somebody without the secret sent`,
  );
}

function forged(from: number, to: number) {
  return { kind: "heartbeat", from, to, term: FORGED_TERM, commitIndex: 0, readRound: 0 } as const;
}

function without(hello: Hello): Hello {
  const features = new Map(hello.features);
  features.delete(Feature.secret);
  return { ...hello, features };
}

function keep<T>(list: T[], one: T): void {
  list.push(one);
  if (list.length > OVERHEARD_MAX) list.shift();
}

/** Says it, and reads what comes back. */
function say(link: InboundLink, encode: (out: ByteWriter) => void): Frame[] {
  const out = new ByteWriter();
  encode(out);
  if (out.length > 0) link.receive(out.copy());
  const frames: Frame[] = [];
  const decoder = new FrameDecoder(100_000);
  for (let output = link.takeOutput(); output !== null; output = link.takeOutput()) {
    decoder.push(output.slice());
    link.outputWritten();
    for (let frame = decoder.next(); frame !== null; frame = decoder.next()) frames.push(frame);
  }
  return frames;
}
