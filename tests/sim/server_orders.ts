/** What an operator has a running server do: stop in order, change members, read its secret again. */
import type { MemberChanges } from "../../lib/node/members/member_changes.ts";
import type { ClusterSecret } from "../../lib/node/peers/cluster_secret.ts";
import type { MemberChange } from "../../lib/raft/types.ts";
import { Kind } from "./kinds.ts";
import { ProcessEnded } from "./process_end.ts";
import type { BuiltServer } from "./server_factory.ts";
import type { Secrets } from "./secrets.ts";
import type { SimServer } from "./sim_server.ts";

export class ServerOrders {
  readonly #server: SimServer;
  readonly #secrets: Secrets;
  #members: MemberChanges | null = null;
  #secret: ClusterSecret | undefined;
  #secretExchanged: (() => void) | undefined;

  constructor(server: SimServer, secrets: Secrets) {
    this.#server = server;
    this.#secrets = secrets;
  }

  /** The server has started, with a secret or without. */
  begin({ members, secretExchanged }: BuiltServer, secret: ClusterSecret | undefined): void {
    this.#members = members ?? null;
    this.#secret = secret;
    this.#secretExchanged = secretExchanged;
  }

  /** Has the process stop in order, as SIGTERM does; it starts again some time after its end. */
  stop(restartUs: number): void {
    const server = this.#server;
    if (server.isDown || server.isPaused) return;
    server.trace("stop", "");
    const ended = () => {
      server.crash("it was stopped");
      server.restartIn(restartUs);
      throw new ProcessEnded("It was stopped");
    };
    // What is written last leaves before the process does.
    const done = () => server.schedule(Kind.completion, 1_000, ended);
    server.schedule(Kind.completion, 0, () => server.node!.shutdown(done));
  }

  /** Asks the node for a change of members, as it is wanted then; what comes of it is counted. */
  changeMembers(wanted: () => readonly MemberChange[]): void {
    const { counters } = this.#server.world;
    this.#server.schedule(Kind.completion, 0, () => {
      const changes = wanted();
      if (changes.length === 0) return;
      const refused = this.#members?.propose(
        changes,
        (outcome) => counters.add(`change ${outcome}`),
      );
      if (refused === null) return counters.add("change begun");
      const isInvalid = refused?.reason === "invalid";
      counters.add(`change refused: ${isInvalid ? refused.problem : refused?.reason}`);
    });
  }

  /** Its secret's file is read again, where it has one. */
  reloadSecret(): void {
    if (this.#server.isDown) return;
    this.#server.schedule(Kind.completion, 0, () => {
      if (this.#secret === undefined) return;
      this.#secrets.reload(this.#secret);
      this.#secretExchanged?.();
    });
  }
}
