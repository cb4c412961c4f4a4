/** How a world gets its servers and disks: the real ones of make_node.ts, or the kernel's fake. */
import type { Clock, Disk, Rng } from "../../lib/host/ports.ts";
import type { NodeHost, ServerNode } from "../../lib/node/shells.ts";
import type { Random } from "../../lib/util/random.ts";
import type { ServerProbe } from "./checks.ts";
import type { SimOptions } from "./options.ts";

export interface DiskEnvironment {
  readonly options: SimOptions;
  readonly serverId: number;
  readonly random: Random;
  readonly nowMs: () => number;
  /** Runs a completion in simulated time, unless the process has ended by then. */
  schedule(delayMs: number, run: () => void): void;
}

/** A disk, and what faults may do to it. */
export interface ServerDisk extends Disk {
  /** Power is lost: what is not durable may go. */
  crash(): void;
  /** The process will be crashed within one of its next operations on the disk. */
  crashSoon(): void;
  /** The next syncs take at least this long. */
  stall(durationMs: number): void;
  /** The next sync fails; what it covered may be lost. */
  failNextSync(): void;
  setFull(isFull: boolean): void;
  /** Takes away what of the above is still to come. */
  heal(): void;
}

export interface ServerEnvironment {
  readonly options: SimOptions;
  readonly serverId: number;
  readonly disk: ServerDisk;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly host: NodeHost;
}

export interface BuiltServer {
  readonly node: ServerNode;
  readonly probe: ServerProbe;
}

export interface ServerFactory {
  makeDisk(environment: DiskEnvironment): ServerDisk;
  makeServer(environment: ServerEnvironment): BuiltServer;
  /** The term of a vote that a frame grants, 0 with any other frame. */
  voteTermOf(frame: Uint8Array): number;
  /** Whether an error is the disk's way of crashing the process in the middle of an operation. */
  isCrash(error: unknown): boolean;
}
