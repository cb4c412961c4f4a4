/**
 * A stand-in for the node, for the simulator's own tests: all servers answer from one shared map, at
 * once, so their histories are linearizable by construction, unless a flaw is asked for. Its links say
 * hello and then send one frame every so often.
 */
import type { ClientSession, InboundLink, OutboundLink, PeerAddress } from "../../lib/node/api.ts";
import { CommandBatch } from "../../lib/wire/command_batch.ts";
import { founderAddress } from "./address_book.ts";
import type { ServerProbe } from "./server_probe.ts";
import type {
  BuiltServer,
  DiskEnvironment,
  ServerDisk,
  ServerEnvironment,
  ServerFactory,
} from "./server_factory.ts";

/** What the fake can do wrong. */
export type Flaw = "none" | "staleReads" | "lostWrites" | "appliesTwice" | "ignoresCas";

interface Held {
  version: number;
  value: string;
  /** What the key held before, for stale reads. */
  before: Held | null;
}

interface SharedStore {
  readonly keys: Map<string, Held>;
  floor: number;
  commands: number;
}

/** Servers over one shared map. */
export function fakeFactory(flaw: Flaw = "none"): ServerFactory {
  const store: SharedStore = { keys: new Map(), floor: 0, commands: 0 };
  return {
    makeDisk: (environment) => noDisk(environment),
    makeServer: (environment) => makeFake(environment, store, flaw),
    voteOf: () => null,
    ackOf: () => null,
    versionIn: () => 0,
    takeOverTerm: () => null,
    isRefusal: () => false,
    isCrash: () => false,
  };
}

function noDisk(environment: DiskEnvironment): ServerDisk {
  const refuse = (): never => {
    throw new Error("The fake node has no disk");
  };
  const nothing = () => {};
  return {
    contents: () => new Uint8Array(0),
    list: () => [],
    exists: () => false,
    makeDirectory: nothing,
    open: refuse,
    rename: refuse,
    remove: refuse,
    syncDirectory: nothing,
    renameLater: nothing,
    removeLater: nothing,
    syncDirectoryLater: nothing,
    lock: () => true,
    unlock: nothing,
    defer: (run) => environment.schedule(0, run),
    kill: nothing,
    crash: nothing,
    crashSoon: nothing,
    stall: nothing,
    failNext: nothing,
    setFull: nothing,
    isBounded: false,
    wipe: nothing,
    damage: () => "nothing",
    damageEnd: () => "nothing",
    heal: nothing,
    voidEvents: 0,
  };
}

const FRAME_INTERVAL_MS = 10;

function makeFake(environment: ServerEnvironment, store: SharedStore, flaw: Flaw): BuiltServer {
  const { options, serverId, host, clock } = environment;
  const links: FakeOutbound[] = [];
  for (let id = 1; id <= options.servers; id++) {
    if (id !== serverId) links.push(new FakeOutbound(id));
  }
  const node = {
    outboundLinks: links,
    wake: () => {
      host.scheduleTurn();
      host.wakeAt(clock.monotonicMs() + FRAME_INTERVAL_MS);
    },
    turn: () => {
      for (const link of links) link.push(16);
    },
    turnedAwayWith: "",
    turnedAwayBecause: "",
    openSession: () => new FakeSession(store, flaw),
    openInboundLink: () => new FakeInbound(),
    shutdown: (done: () => void) => done(),
  };
  node.wake();
  return { node, probe: closedProbe() };
}

class FakeOutbound implements OutboundLink {
  readonly peerId: number;
  readonly addresses: readonly PeerAddress[];
  readonly isOver = false;
  onActivity: (() => void) | null = null;
  closing: string | null = null;
  #isUp = false;
  #waiting: Uint8Array | null = null;

  constructor(peerId: number) {
    this.peerId = peerId;
    const { hostname, logPort } = founderAddress(peerId);
    this.addresses = [{ hostname, port: logPort }];
  }

  push(length: number): void {
    if (!this.#isUp) return;
    this.#waiting = new Uint8Array(4 + length);
    this.#waiting[3] = length;
    this.onActivity?.();
  }

  takeOutput(): Uint8Array | null {
    return this.#waiting;
  }

  outputWritten(): void {
    this.#waiting = null;
  }

  connected(): void {
    this.#isUp = true;
    this.push(8);
  }

  receive(bytes: Uint8Array): void {
    if (bytes.length !== 1 || bytes[0] !== 7) throw new Error("No welcome");
  }

  disconnected(): void {
    this.#isUp = false;
    this.#waiting = null;
  }
}

class FakeInbound implements InboundLink {
  onActivity: (() => void) | null = null;
  closing: string | null = null;
  #answer: Uint8Array | null = null;
  #received = 0;

  receive(bytes: Uint8Array): void {
    this.#received += bytes.length;
    if (this.#received !== 12) return;
    this.#answer = new Uint8Array([7]);
    this.onActivity?.();
  }

  takeOutput(): Uint8Array | null {
    return this.#answer;
  }

  outputWritten(): void {
    this.#answer = null;
  }

  disconnected(): void {}
}

/** Parses whole commands out of text; just enough for what the simulated clients send. */
class FakeSession implements ClientSession {
  onActivity: (() => void) | null = null;
  closing: string | null = null;
  readonly wantsInput = true;
  readonly #space = new Uint8Array(512);
  readonly #store: SharedStore;
  readonly #flaw: Flaw;
  #text = "";
  #output = "";

  constructor(store: SharedStore, flaw: Flaw) {
    this.#store = store;
    this.#flaw = flaw;
  }

  inputSpace(): Uint8Array {
    return this.#space;
  }

  received(count: number): void {
    this.#text += new TextDecoder("latin1").decode(this.#space.subarray(0, count));
    while (this.#command()) { /* the next */ }
    this.onActivity?.();
  }

  nextBatch(): CommandBatch | null {
    return null;
  }

  submit(): void {}

  takeOutput(): Uint8Array | null {
    if (this.#output === "") return null;
    const bytes = new TextEncoder().encode(this.#output);
    this.#output = "";
    return bytes;
  }

  outputWritten(): void {
    if (this.#output !== "") this.onActivity?.();
  }

  inputEnded(): void {}
  disconnected(): void {}

  #command(): boolean {
    const end = this.#text.indexOf("\r\n");
    if (end < 0) return false;
    const words = this.#text.slice(0, end).split(" ");
    const verb = words[0]!;
    let rest = end + 2;
    let value = "";
    if (verb === "set" || verb === "cas") {
      const length = Number(words[verb === "set" ? 3 : 4]);
      if (this.#text.length < rest + length + 2) return false;
      value = this.#text.slice(rest, rest + length);
      rest += length + 2;
    }
    this.#text = this.#text.slice(rest);
    const reply = this.#perform(verb, words, value);
    if (words.at(-1) !== "noreply") this.#output += reply + "\r\n";
    return true;
  }

  #perform(verb: string, words: string[], value: string): string {
    const { keys } = this.#store;
    const key = words[1]!;
    const held = keys.get(key);
    const isFlawed = ++this.#store.commands % 97 === 0;
    switch (verb) {
      case "set":
        return this.#put(key, value, held, isFlawed);
      case "cas": {
        const expected = Number(words[3]);
        const matches = expected === (held?.version ?? 0);
        if (!matches && !(isFlawed && this.#flaw === "ignoresCas")) {
          return held === undefined ? "ERR_NOT_FOUND" : "ERR_VERSION";
        }
        return this.#put(key, value, held, isFlawed);
      }
      case "delete":
        if (held === undefined) return "ERR_NOT_FOUND";
        this.#store.floor = Math.max(this.#store.floor, held.version);
        keys.delete(key);
        return "DELETED";
      default: {
        if (held === undefined) return "ERR_NOT_FOUND";
        const isStale = isFlawed && this.#flaw === "staleReads" && held.before !== null;
        const shown = isStale ? held.before! : held;
        const meta = verb === "getm" ? `${shown.version} 0 ` : "";
        return `VALUE ${meta}${shown.value.length}\r\n${shown.value}`;
      }
    }
  }

  #put(key: string, value: string, held: Held | undefined, isFlawed: boolean): string {
    const steps = isFlawed && this.#flaw === "appliesTwice" ? 2 : 1;
    const version = (held?.version ?? this.#store.floor) + steps;
    if (!(isFlawed && this.#flaw === "lostWrites")) {
      const before = held === undefined ? null : { ...held, before: null };
      this.#store.keys.set(key, { version, value, before });
    }
    return `OK ${version}`;
  }
}

/** A probe of an empty log, the same on all servers. */
function closedProbe(): ServerProbe {
  return {
    isOpen: () => true,
    isPrepared: () => false,
    clusterId: () => null,
    isLeader: () => false,
    isSuspect: () => false,
    isDurablySound: () => true,
    raft: () => null,
    term: () => 0,
    votedFor: () => 0,
    commitIndex: () => 0,
    appliedIndex: () => 0,
    snapshotIndex: () => 0,
    lastIndex: () => 0,
    termAt: () => 0,
    dataAt: () => new Uint8Array(0),
    reaches: () => true,
    hasRoom: () => true,
    durableIndex: () => 0,
    matchIndexOf: () => 0,
    store: () => null,
    digest: () => "",
    clusterVersion: () => 1,
    versionInLog: () => 1,
    clockMs: () => 0,
    waitingCommands: () => 0,
    waitingEntries: () => 0,
    hasDueKeys: () => false,
    heldCommands: () => 0,
    forwarded: () => null,
    leftover: () => null,
  };
}
