/** How a world gets its servers and disks: the real ones of make_node.ts, or the kernel's fake. */
import type { Clock, Disk, Rng } from "../../lib/host/ports.ts";
import type { ServerNode, WakingHost } from "../../lib/node/api.ts";
import type { MemberChanges } from "../../lib/node/members/member_changes.ts";
import type { ClusterSecret } from "../../lib/node/peers/cluster_secret.ts";
import type { Incarnation } from "../../lib/raft/types.ts";
import type { Random } from "../../lib/util/random.ts";
import type { SimAddress } from "./address_book.ts";
import type { ServerProbe } from "./server_probe.ts";
import type { SimOptions } from "./options.ts";

export interface DiskEnvironment {
  readonly options: SimOptions;
  readonly serverId: number;
  /** It is empty, whenever the world's log begins. */
  readonly isNew: boolean;
  readonly random: Random;
  readonly nowMs: () => number;
  /** Runs a completion in simulated time, unless the process has ended by then. */
  schedule(delayMs: number, run: () => void): void;
  /** Whether a crash may lose what was not synced: see atlas.ts. */
  mayTear(): boolean;
  /** The end of the process lost what was not synced. */
  torn(): void;
}

/** What of a disk can fail with an input or output error. */
export type FailingOperation = "sync" | "write" | "read";

/** A disk, and what faults may do to it. */
export interface ServerDisk extends Disk {
  /** The process ends; the machine stays up. */
  kill(): void;
  /** Power is lost: what is not durable may go. */
  crash(): void;
  /** The process will be crashed within one of its next operations on the disk. */
  crashSoon(): void;
  /** The next syncs take at least this long. */
  stall(durationMs: number): void;
  /** The next operation of a kind fails; what a failed sync covered may be lost. */
  failNext(operation: FailingOperation): void;
  /** `isGreedy`: another program takes whatever comes free meanwhile. */
  setFull(isFull: boolean, isGreedy?: boolean): void;
  /** What it may hold is bounded now. */
  readonly isBounded: boolean;
  /** Everything is gone. Only while no process uses it. */
  wipe(): void;
  /** Durable bytes change, or a file is cut or gone; says what, for the trace. */
  damage(random: Random): string;
  /** The same, to one of the last batches that went to the log. */
  damageEnd(random: Random): string;
  /** What is in a file now. */
  contents(path: string): Uint8Array;
  /** Takes away what of the above is still to come. */
  heal(): void;
  /** Completions that are scheduled and will do nothing. */
  readonly voidEvents: number;
}

export interface ServerEnvironment {
  readonly options: SimOptions;
  readonly serverId: number;
  /** Its cluster file: the places of servers, by their ids, its own among them. */
  readonly places: ReadonlyMap<number, SimAddress>;
  /** The cluster that it joins, where its directory is of none yet; null for a founder. */
  readonly joins: string | null;
  readonly disk: ServerDisk;
  /** It runs a build before features and cluster versions. */
  readonly isOlder: boolean;
  readonly secret: ClusterSecret | undefined;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly host: WakingHost;
}

export interface BuiltServer {
  readonly node: ServerNode;
  readonly probe: ServerProbe;
  /** Its life; absent where there are none. */
  readonly incarnation?: Incarnation;
  /** Absent where members can't be changed. */
  readonly members?: MemberChanges;
  /** Its secret was read again. */
  secretExchanged?(): void;
}

/** Whom a server voted for, with the term as the checks count it. */
export interface Vote {
  readonly term: number;
  /** As the vote names it. */
  readonly candidateId: number;
  /** It is the sender's own, which asks for others'. */
  readonly isOwn: boolean;
  /** It may have forgotten another one: it counts only where nobody could know better. */
  readonly isSuspect: boolean;
}

export interface ServerFactory {
  makeDisk(environment: DiskEnvironment): ServerDisk;
  makeServer(environment: ServerEnvironment): BuiltServer;
  /** The vote that a frame tells of, the sender's own included; null with any other frame. */
  voteOf(frame: Uint8Array): Vote | null;
  /** The index up to which a frame acknowledges entries; null with any other frame. */
  ackOf(frame: Uint8Array): number | null;
  /** The term of a leader whose frame orders its receiver to take over; null with any other frame. */
  takeOverTerm(frame: Uint8Array): number | null;
  /** The cluster version that whoever takes in this frame has to know; 0: any. */
  versionIn(frame: Uint8Array): number;
  /** Whether an error says that a damaged directory can't be used. */
  isRefusal(error: unknown): boolean;
  /** Whether an error is the disk's way of crashing the process in the middle of an operation. */
  isCrash(error: unknown): boolean;
}
