/** What a server that asks to be taken in says in its log: each thing once, and again a minute later. */
import type { JoinRequest } from "../../joining.ts";
import type { LogEvent } from "../../node/api.ts";
import type { Timing } from "../../node/limits.ts";
import { isLoopback } from "../../util/address.ts";
import { type ServerAddress, serverText } from "../client_ports.ts";
import type { JoinAnswer } from "./join_answer.ts";

const REMIND_MS = 60_000;

export class JoinLines {
  readonly #request: JoinRequest;
  readonly #timing: Timing;
  readonly #log: (event: LogEvent) => void;
  #last = "";
  #lastMs = -Infinity;
  #isTimingSaid = false;

  constructor(request: JoinRequest, timing: Timing, log: (event: LogEvent) => void) {
    this.#request = request;
    this.#timing = timing;
    this.#log = log;
  }

  /** What the leader answered, or why nothing was. */
  note(answer: JoinAnswer | Error): void {
    const { serverId } = this.#request;
    if (answer instanceof Error) {
      this.#say({
        level: "warning",
        message: "Not taken in yet: asking again every second",
        fields: { server: serverId, reason: answer.message },
      });
      return;
    }
    this.#compareTiming(answer);
    const { standing, clusterId } = answer;
    const verb = standing === "replaces" ? "replace" : "add";
    const message = standing === "member"
      ? "Taken into the cluster: waiting for its leader to connect to this server's log port"
      : "Waiting to be taken into the cluster, by this command on any machine: " +
        `raftkv member ${verb} ${serverId}`;
    this.#say({ level: "info", message, fields: { server: serverId, clusterId } });
  }

  /** Others are told where this server is: a loopback name leads them to their own machine. */
  compareAddresses(servers: readonly ServerAddress[]): void {
    const { hostname } = this.#request;
    const other = servers.find((one) => !isLoopback(one.hostname));
    if (other === undefined || !isLoopback(hostname)) return;
    this.#log({
      level: "warning",
      message: "This server's hostname is of this machine alone, and the cluster's are not: give " +
        "it the name or address that the others and clients reach it by (--hostname)",
      fields: { hostname, cluster: serverText(other) },
    });
  }

  joined(): void {
    const { serverId } = this.#request;
    const message = "This server is a member of the cluster now";
    this.#log({ level: "info", message, fields: { server: serverId } });
  }

  #say(event: LogEvent): void {
    const text = event.message + JSON.stringify(event.fields);
    const nowMs = performance.now();
    if (text === this.#last && nowMs - this.#lastMs < REMIND_MS) return;
    this.#last = text;
    this.#lastMs = nowMs;
    this.#log(event);
  }

  /** Servers whose elections begin at other times than the others' lead more or less often than meant. */
  #compareTiming(theirs: JoinAnswer): void {
    if (this.#isTimingSaid) return;
    this.#isTimingSaid = true;
    const fields: Record<string, string> = {};
    for (const key of ["heartbeatIntervalMs", "electionTimeoutMs"] as const) {
      const own = this.#timing[key];
      if (own === theirs[key]) continue;
      fields[`timing.${key}`] = `${own}, and the cluster has ${theirs[key]}`;
    }
    if (Object.keys(fields).length === 0) return;
    const message =
      "This server's timing differs from the cluster's: give it the cluster's, with " +
      "--config FILE";
    this.#log({ level: "warning", message, fields });
  }
}
