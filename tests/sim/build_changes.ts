/** Servers of a build before are given this one, by an operator who reads what they say. */
import type { SimCluster } from "./cluster.ts";
import type { Demands } from "./demands.ts";
import type { SimServer } from "./sim_server.ts";
import { SECOND_US } from "./world.ts";

export class BuildChanges {
  readonly #cluster: SimCluster;
  readonly #demands: Demands;

  constructor(cluster: SimCluster, demands: Demands) {
    this.#cluster = cluster;
    this.#demands = demands;
  }

  begin(server: SimServer): void {
    server.build.isOlder = false;
    server.orders.stop(SECOND_US / 10);
  }

  /** One server is stopped, and has to start again. */
  upgrade(server: SimServer): void {
    this.begin(server);
    const hasStarted = () => server.isOut || server.probe !== null;
    this.#demands.demand("no start of another build", 30, hasStarted);
  }

  /**
   * A server that was rolled back while the raise was on its way is refused for its build, whatever its log
   * holds: an operator reads that, and starts the later build again. Before, no majority can count on it, and
   * no suspect server becomes sound, as that takes all members' word.
   */
  upgradeRefused(): void {
    for (const server of this.refused()) this.upgrade(server);
  }

  refused(): SimServer[] {
    const { servers, options } = this.#cluster;
    if (options.older.length === 0) return [];
    const isRaised = servers.some(({ probe }) =>
      probe?.isOpen() === true && probe.versionInLog() > 1
    );
    return isRaised ? servers.filter(({ build }) => build.isOlder) : [];
  }
}
