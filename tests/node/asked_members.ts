/** Servers of one cluster in this process, of which one is asked about the members as clients ask it. */
import { assert } from "@std/assert";
import { MemberChanges } from "../../lib/node/members/member_changes.ts";
import { MemberCommands } from "../../lib/node/members/member_commands.ts";
import type { ClientError } from "../../lib/wire/command_batch.ts";
import type { MemberAnswer, MemberList, MemberRequest } from "../../lib/wire/members.ts";
import { Cluster, TICKS } from "../raft/cluster.ts";
import { member } from "../raft/members.ts";

/** Of a server whose cluster is not formed. */
export const UNFORMED = 9;

/** One server of a cluster, asked as clients ask it. */
export class Asked {
  readonly cluster: Cluster;
  readonly id: number;
  readonly commands: MemberCommands;
  readonly changes: MemberChanges;
  /** Answers that came later. */
  readonly told: MemberAnswer[] = [];
  /** Places to try. */
  readonly heard: string[] = [];
  silentMs = Infinity;
  version = 2;
  waits: string[] = [];

  constructor(cluster: Cluster, id = 1) {
    this.cluster = cluster;
    this.id = id;
    const raftNow = () => id === UNFORMED ? null : cluster.raft(id);
    const clusterVersion = () => this.version;
    const scheduleTurn = () => {};
    this.changes = new MemberChanges({ raftNow, clusterVersion, moves: () => [], scheduleTurn });
    this.commands = new MemberCommands({
      raftNow,
      changes: this.changes,
      placeOf: (one) =>
        one === 3 ? null : { hostname: `h${one}`, clientPort: 9000 + one, logPort: 9100 + one },
      heardOf: (one, incarnation, { hostname, logPort }) =>
        this.heard.push(`${one} ${incarnation} ${hostname} ${logPort}`),
      silentMs: () => this.silentMs,
      clusterVersion,
      clusterId: () => "c".repeat(32),
      raiseWaits: () => this.waits,
      raiseWithout: () => {},
      scheduleTurn,
    });
  }

  ask(request: MemberRequest): MemberAnswer | ClientError | null {
    return this.commands.ask(request, (answer) => this.told.push(answer));
  }

  /** The words of an answer. */
  why(request: MemberRequest): string {
    const answer = this.ask(request);
    if (answer === null || typeof answer === "number" || !("why" in answer)) throw answer;
    return `${answer.kind}: ${answer.why}`;
  }

  /** Lets time pass, and the server look. */
  run(ticks: number): void {
    for (let i = 0; i < ticks; i++) {
      this.cluster.run(1);
      this.changes.note();
      this.commands.note();
    }
  }
}

export function listed(answer: MemberAnswer | ClientError | null): MemberList {
  if (answer === null || typeof answer === "number" || answer.kind !== "members") throw answer;
  return answer.list;
}

/** Servers 1, 2, 3, of which 1 leads, and `learners`, which stay so; `full` have no room. */
export function led(learners: readonly number[] = [], full: readonly number[] = []): Asked {
  const roomOf = (id: number) => full.includes(id) ? "none" : "free";
  const cluster = new Cluster({ overrides: { roomOf } });
  cluster.elect(1);
  for (const id of learners) cluster.join(id);
  cluster.run(4);
  if (learners.length > 0) {
    const changes = learners.map((id) => ({
      ...{ kind: "add" as const, ...member(id) },
      staysLearner: true,
    }));
    assert(cluster.raft(1).proposeChange(changes).accepted);
    cluster.run(2 * TICKS);
  }
  return new Asked(cluster);
}
