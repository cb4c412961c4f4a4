/**
 * What is logged about the other servers. They make most of it happen as often as they like, and must
 * not fill the log.
 */
import type { Clock } from "../../host/ports.ts";
import { NOBODY, type ServerId } from "../../raft/types.ts";
import type { KnownMembers } from "../members/known_members.ts";
import { PacedLog } from "../reports/paced_log.ts";
import { RefusalReason } from "../../wire/rpc/rpc.ts";
import type { Refused } from "./refused.ts";
import type { Twin } from "./peer_processes.ts";
import type { LogEvent, NodeHost } from "../api.ts";

/** A server that is refused comes back every second: the same is logged again after so long, */
const WARNING_INTERVAL_MS = 60_000;
/** and something else about it no earlier than after this. */
const WARNING_PAUSE_MS = 1_000;

export class PeerLog {
  readonly #host: Pick<NodeHost, "log">;
  readonly #members: Pick<KnownMembers, "of">;
  /** The last warning, by kind and server; those about strangers under NOBODY. */
  readonly #warnings = new Map<string, { readonly about: string; readonly atMs: number }>();
  readonly #paced: PacedLog;
  readonly #clock: Pick<Clock, "monotonicMs">;

  constructor(
    host: Pick<NodeHost, "log">,
    members: Pick<KnownMembers, "of">,
    clock: Pick<Clock, "monotonicMs">,
  ) {
    this.#clock = clock;
    this.#host = host;
    this.#members = members;
    this.#paced = new PacedLog(host);
  }

  nextDeadlineMs(): number {
    return this.#paced.nextDeadlineMs();
  }

  elapse(nowMs: number): void {
    this.#paced.elapse(nowMs);
  }

  up(id: ServerId): void {
    this.#paceLog("Peer up", id, {});
  }

  down(id: ServerId, reason: string): void {
    this.#paceLog("Peer down", id, { reason });
  }

  /** A peer does not know the version that this server spoke to it. */
  isOlder(id: ServerId, protocolVersion: number, reason: string): void {
    this.#host.log({
      level: "info",
      message: "A peer is of an earlier build: speaking its version of the protocol to it",
      fields: { peer: id, protocolVersion, reason },
    });
  }

  /**
   * The link to a server could not be made, or was refused. Links don't report a reason twice in a row;
   * but the other end may give another one each time.
   */
  problem(
    id: ServerId,
    message: string,
    reason: string,
    level: LogEvent["level"] = "warning",
  ): void {
    this.#paced.log(
      `${this.#who(id)} problem`,
      { level, message, fields: { peer: id, reason } },
      this.#clock.monotonicMs(),
    );
  }

  /** A server, or somebody who claims to be one, was refused. */
  refused(id: ServerId, { reason, text }: Refused): void {
    const isEarly = reason === RefusalReason.clusterVersion;
    this.#warnOnce(id, isEarly ? "A server's build is too early" : "A server is refused", text);
  }

  /** A server that has connected to this one refuses it. */
  doubted(id: ServerId, text: string): void {
    this.#warnOnce(id, "A peer refuses this server", text);
  }

  /** What came over a link whose handshake passed can't be read. */
  malformed(id: ServerId, text: string): void {
    this.#warnOnce(id, "A peer sends what makes no sense", text);
  }

  /** Two processes live under one id. Nobody can tell here which of them is the copy. */
  twins(id: ServerId, { address, sharesDirectory }: Twin, laterAddress: string): void {
    const first = address === null ? "answered here before" : `answers at ${address}`;
    const message = sharesDirectory
      ? "Two processes run with the data directory of one server, one of them on a copy"
      : "Two servers were started under the same id";
    const text = sharesDirectory
      ? `server ${id} ${first}, so another process with its data directory, at ` +
        `${laterAddress}, is refused as long as it runs. This tells who came ` +
        `later, not which is the copy: stop both, compare ` +
        `both directories ("raftkv inspect": the last index), and start the one to keep`
      : `server ${id} ${first}, so another process under its id, at ` +
        `${laterAddress}, is refused: start one of the two with an id of its own`;
    // The ports of its connections change from try to try.
    this.#warnOnce(id, message, text, "error", "twins");
  }

  /** `about`: what tells this warning from others of its kind, where that is not its text. */
  #warnOnce(
    id: ServerId,
    message: string,
    text: string,
    level: LogEvent["level"] = "warning",
    about = text,
  ): void {
    const who = this.#who(id);
    const key = `${message}/${who}`;
    const last = this.#warnings.get(key);
    const nowMs = this.#clock.monotonicMs();
    if (last !== undefined) {
      const isNews = who !== NOBODY && about !== last.about;
      const intervalMs = isNews ? WARNING_PAUSE_MS : WARNING_INTERVAL_MS;
      if (nowMs - last.atMs < intervalMs) return;
    }
    this.#warnings.set(key, { about, atMs: nowMs });
    this.#host.log({ level, message, fields: { peer: id, reason: text } });
  }

  /** Those that are no members are one, as there may be any number of them. */
  #who(id: ServerId): ServerId {
    return this.#members.of(id) !== null ? id : NOBODY;
  }

  #paceLog(message: string, id: ServerId, fields: LogEvent["fields"]): void {
    const event = { level: "info", message, fields: { peer: id, ...fields } } as const;
    this.#paced.log(`${this.#who(id)}`, event, this.#clock.monotonicMs());
  }
}
