/** What a simulated server is given, and what those it has to do with look like to it. */
import type { Incarnation } from "../../lib/raft/types.ts";
import type { AddressBook, SimAddress } from "./address_book.ts";
import type { Atlas } from "./atlas.ts";
import type { StateChecks } from "./checks.ts";
import type { Fabric } from "./fabric.ts";
import type { SimEvent } from "./heap.ts";
import type { Marks } from "./marks.ts";
import type { SimOptions } from "./options.ts";
import type { Secrets } from "./secrets.ts";
import type { ServerFactory } from "./server_factory.ts";
import type { SimServer } from "./sim_server.ts";
import type { StreamChecks } from "./stream_checks.ts";
import type { World } from "./world.ts";

/** What all servers of a world share. */
export interface ServerSetting {
  readonly world: World;
  readonly fabric: Fabric;
  readonly options: SimOptions;
  readonly factory: ServerFactory;
  readonly checks: StateChecks;
  readonly atlas: Atlas;
  readonly marks: Marks;
  readonly streams: StreamChecks;
  /** All servers that are there, in the order of their coming; filled after they are made. */
  readonly servers: SimServer[];
  readonly addresses: AddressBook<SimServer>;
  /** A server has begun a life: whatever lists that life means this server. */
  readonly lives: Map<Incarnation, SimServer>;
  readonly secrets: Secrets;
}

/** Which server of its cluster it is, and where. */
export interface Origins {
  readonly serverId: number;
  readonly address: SimAddress;
  /** The cluster that it is to join on its empty disk; null for a founder. */
  readonly joins: string | null;
}

/** Something that has events inside a server's step, and output behind it. */
export interface Part {
  perform(event: SimEvent): void;
  pump(server: SimServer): void;
  /** For the trace. */
  describe(event: SimEvent): string;
}

/** A client connection, as far as a crash has to know it. */
export interface ClientEnd {
  serverGone(): void;
}
