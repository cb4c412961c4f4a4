/** All that is looked at of one server: after each of its steps, and at each frame that reaches it. */
import type { RaftState } from "../../lib/raft/state.ts";
import { Kind } from "./kinds.ts";
import { QuorumWatch } from "./quorum_watch.ts";
import { checkForged } from "./secrets.ts";
import type { ServerSetting } from "./server_setting.ts";
import type { SimServer } from "./sim_server.ts";
import { isOfStream, type StreamingServer } from "./stream_checks.ts";

export class StepChecks implements StreamingServer {
  readonly id: number;
  readonly #server: SimServer;
  readonly #setting: ServerSetting;
  readonly #quorum: QuorumWatch;
  #wokenUs = 0;

  constructor(server: SimServer, setting: ServerSetting) {
    this.id = server.id;
    this.#server = server;
    this.#setting = setting;
    this.#quorum = new QuorumWatch(setting.options.timing.electionTimeoutMs);
  }

  /** After a step of the server that an event of `kind` began. */
  look(kind: number): void {
    const server = this.#server;
    const { checks, marks, streams, servers, world } = this.#setting;
    server.condition.look(server.probe);
    checks.afterStep(server);
    checkForged(this.id, server.probe?.raft()?.term ?? 0);
    if (kind === Kind.turn) checks.afterTurn(server);
    const seen = this.streaming;
    if (seen !== null) server.timer.check(seen.state);
    if (seen !== null) streams.check(seen, kind === Kind.wake);
    marks.look(server, kind, checks.committedIndex);
    if (kind === Kind.wake) this.#checkQuorum();
    const { probe } = server;
    if (probe?.isOpen() !== true) return;
    server.build.look(world.now, probe, servers);
    server.condition.looked(probe);
  }

  #checkQuorum(): void {
    const { clock, probe } = this.#server;
    const { checks, world } = this.#setting;
    // By a clock that stands still nobody can tell how long others are silent.
    if (clock.frozenUntilUs >= this.#wokenUs) this.#quorum.begin(world.now);
    this.#wokenUs = world.now;
    const leads = probe?.isOpen() === true && probe.isLeader();
    const halves = leads ? checks.halvesOf(this.id) : [];
    this.#quorum.check(this.id, halves, world.now);
  }

  /** The server was paused, and goes on: what it has not heard meanwhile says nothing. */
  resumed(): void {
    this.#quorum.begin(this.#setting.world.now);
  }

  /** A frame is about to be taken in. */
  frame({ id: from, serverId: fromId }: SimServer, frame: Uint8Array): void {
    const server = this.#server;
    const { checks, factory, marks, streams, world } = this.#setting;
    this.#quorum.heard(from, world.now);
    marks.frame(from, server, frame);
    if (server.build.isOlder) server.build.gets(from, factory.versionIn(frame));
    checks.frame(from, this.id, frame);
    const seen = isOfStream(frame) ? this.streaming : null;
    if (seen !== null) streams.received(seen, fromId, frame);
  }

  /** The server for the checks of its streams; null while it is down or not formed. */
  get streaming(): StreamingServer | null {
    const { probe, disk, condition } = this.#server;
    if (probe === null || probe.raft() === null) return null;
    condition.noteRoom(probe, disk);
    return this;
  }

  // As `StreamingServer`, while it is one.

  get monotonicMs(): number {
    return this.#server.clock.monotonicMs();
  }

  get state(): RaftState {
    return this.#server.probe!.raft()!;
  }

  reaches(index: number): boolean {
    return this.#server.probe!.reaches(index);
  }

  get mayLackFiles(): boolean {
    return this.#server.condition.mayLackFiles;
  }
}
