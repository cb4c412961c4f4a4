/** A simulated connection for each link that a server's node has. */
import type { OutboundLink, ServerNode } from "../../lib/node/api.ts";
import { PeerLink } from "./peer_link.ts";
import type { ServerSetting } from "./server_setting.ts";
import type { SimServer } from "./sim_server.ts";

export class ServerLinks {
  readonly #server: SimServer;
  readonly #setting: ServerSetting;
  all: readonly PeerLink[] = [];
  /** The node's links that `all` are made for. */
  #outbound: readonly OutboundLink[] = [];

  constructor(server: SimServer, setting: ServerSetting) {
    this.#server = server;
    this.#setting = setting;
  }

  /** Follows the links that the node has now. */
  connect(node: ServerNode): void {
    if (this.#outbound === node.outboundLinks) return;
    const { fabric, addresses } = this.#setting;
    this.#outbound = node.outboundLinks;
    for (const one of this.all) {
      if (this.#outbound.includes(one.link)) one.look();
      else one.leave();
    }
    this.all = this.#outbound.map((link) =>
      this.all.find((one) => one.link === link) ??
        new PeerLink(fabric, this.#server, link, addresses)
    );
  }

  /** The process has ended: its connections end with it, and those of others to it. */
  die(): void {
    for (const link of this.all) link.die();
    this.all = [];
    this.#outbound = [];
    for (const other of this.#setting.servers) other.links.lose(this.#server);
  }

  /** The process of `other` has ended. Some of the connections to it stay half open. */
  lose(other: SimServer): void {
    for (const link of this.all) {
      if (link.toId !== other.id) continue;
      if (this.#setting.fabric.isHalfOpenNow()) link.loseOtherEnd();
      else link.reset("the other end's process ended");
    }
  }
}
