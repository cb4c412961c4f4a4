/** What a program holds: the calls for values as bytes, those on the cluster, locks and elections. */
import { keptRequest } from "./arguments.ts";
import type {
  AddMemberOptions,
  CallOptions,
  CommandOptions,
  Key,
  MemberList,
  MoveLeaderOptions,
  ReplaceStep,
} from "./calls.ts";
import { Cluster } from "./cluster.ts";
import { type Contest, contestForLock, contestForPermit } from "./contest.ts";
import { type Leader, leaderOf, observeLeaders, type ObserveOptions } from "./election.ts";
import { Leadership, Lock, Permit } from "./held.ts";
import { checkLockOptions, checkPermits, type LockOptions } from "./lock_options.ts";
import { serverId, toMemberList, toNothing, toReplaceStep } from "./members.ts";
import type { Reply } from "./reply_parser.ts";
import * as replies from "./replies.ts";
import * as requests from "./requests.ts";
import {
  ADD_MEMBER_OPTIONS,
  CALL_OPTIONS,
  checkFlag,
  checkNames,
  COMMAND_OPTIONS,
  MOVE_LEADER_OPTIONS,
} from "./options.ts";
import type { Argument } from "./request_writer.ts";
import type { Settings } from "./settings.ts";
import { submitOne } from "./submit.ts";
import { type Outcome, take } from "./take.ts";
import { nameOf, Values } from "./value_client.ts";
import { asBytes, asJson, asText } from "./values.ts";

/** A client of one cluster, and the calls for values as bytes (or text, where it is given). */
export class Client extends Values<Uint8Array, Uint8Array | string> {
  readonly #cluster: Cluster;
  /** With a connection of its own: nothing else waits until a change of members is committed. */
  readonly #apart: Cluster;
  readonly #settings: Settings;
  /** The same calls, for values as text. */
  readonly text: Values<string, string>;

  /** Use `connect`. */
  constructor(cluster: Cluster, settings: Settings) {
    super(cluster, settings, asBytes);
    this.#cluster = cluster;
    this.#apart = new Cluster(settings);
    this.#settings = settings;
    this.text = new Values(cluster, settings, asText);
  }

  /** The same calls, for values as JSON. Nobody checks that what is there is a `T`. */
  json<T>(): Values<T, T> {
    return new Values(this.#cluster, this.#settings, asJson<T>());
  }

  /**
   * Any command, for what has no call of its own: `command(["EXPIRE", "k", "60"])`. Strings in the reply
   * are bytes. Where `isWrite` is not false it counts as a write: it is never sent twice.
   * @throws {TypeError} for commands that change the connection, which all calls share, and where an
   * argument is neither text nor bytes: a number is written as text.
   */
  command(request: readonly Argument[], options?: CommandOptions): Promise<Reply> {
    const own = keptRequest(request);
    requests.checkShared(own);
    const isWrite = checkFlag("isWrite", options?.isWrite) !== false;
    checkNames(options, COMMAND_OPTIONS);
    // What it does is not known here: in a session goes what surely is a write.
    const what = { request: own, name: nameOf(own), isWrite, isSessionWrite: false };
    const decode = (reply: Reply) => reply;
    return submitOne(this.#cluster, this.#settings, { ...what, decode }, options);
  }

  /**
   * Takes a lock and keeps it, until it is let go or lost: first come, first served, and who waits is woken.
   * Only the `token` makes a resource safe from a holder that was paused: docs/locks.md.
   * @throws {NotDone} code `held` where it is not to be had within `waitMs`.
   */
  lock(name: Key, options?: LockOptions): Promise<Lock> {
    return this.#take(contestForLock(name, "lock"), options, ({ taken }) => new Lock(taken));
  }

  /**
   * Becomes the leader of an election, `options.value` telling others who leads, and stays that until it
   * resigns or loses it. A lock by another name, with the same promises.
   * @throws {NotDone} code `held` where another one leads all of `waitMs`.
   */
  campaign(election: Key, options?: LockOptions): Promise<Leadership> {
    const contest = contestForLock(election, "campaign");
    return this.#take(contest, options, ({ taken }) => new Leadership(taken));
  }

  /** Who leads now; null where nobody does. */
  leader(election: Key, options?: CallOptions): Promise<Leader | null> {
    return leaderOf(this.text, election, options);
  }

  /** Who leads now, and whoever comes to lead; null while nobody does. It goes on until the loop is left. */
  observe(election: Key, options?: ObserveOptions): AsyncGenerator<Leader | null, void, undefined> {
    return observeLeaders(this.text, election, options);
  }

  /**
   * Takes one of a semaphore's `permits`, up to 1,000; all who use it have to name the same number.
   * @throws {NotDone} code `held` where none is to be had within `waitMs`.
   */
  acquire(name: Key, permits: number, options?: LockOptions): Promise<Permit> {
    const contest = contestForPermit(name, checkPermits(permits));
    return this.#take(contest, options, ({ taken, index }) => new Permit(taken, index + 1));
  }

  /** Who the members are, and how each of them is, as the leader knows it. */
  members(options?: CallOptions): Promise<MemberList> {
    return this.#ask(["MEMBER", "LIST"], false, toMemberList, options);
  }

  /**
   * Takes in the server that waits to join under that id; ends when that is committed. It begins as a
   * learner, and the leader makes it a voter once it keeps up.
   */
  addMember(id: number, options?: AddMemberOptions): Promise<void> {
    const learner = checkFlag("learner", options?.learner) === true ? ["LEARNER"] : [];
    const words = ["MEMBER", "ADD", serverId(id), ...learner];
    return this.#ask(words, true, toNothing, options, ADD_MEMBER_OPTIONS);
  }

  /**
   * Puts the server that waits to join in the place of the member with its id, whose data is lost. Once it
   * is added, another call says how far it is.
   * @throws {Refused} while the member still answers.
   */
  replaceMember(id: number, options?: CallOptions): Promise<ReplaceStep> {
    return this.#ask(["MEMBER", "REPLACE", serverId(id)], true, toReplaceStep, options);
  }

  /**
   * Takes a server out of the cluster, the leader too; ends when that is committed.
   * @throws {Refused} with what is in the way, and what to do.
   */
  removeMember(id: number, options?: CallOptions): Promise<void> {
    return this.#ask(["MEMBER", "REMOVE", serverId(id)], true, toNothing, options);
  }

  /** Makes a learner a voter now, as the leader does by itself once it keeps up. */
  promoteMember(id: number, options?: CallOptions): Promise<void> {
    return this.#ask(["MEMBER", "PROMOTE", serverId(id)], true, toNothing, options);
  }

  /** Makes a voter a learner, which it stays: it has all data and counts for no majority. */
  demoteMember(id: number, options?: CallOptions): Promise<void> {
    return this.#ask(["MEMBER", "DEMOTE", serverId(id)], true, toNothing, options);
  }

  /** Hands the leadership to another voter; gives the id of the one that leads then. */
  moveLeader(options?: MoveLeaderOptions): Promise<number> {
    const to = options?.to === undefined ? [] : ["TO", serverId(options.to)];
    return this.#ask(
      ["LEADER", "MOVE", ...to],
      true,
      replies.toNumber,
      options,
      MOVE_LEADER_OPTIONS,
    );
  }

  /** HOST:PORT of the server that leads, as far as this client knows; null while it is looking. */
  get server(): string | null {
    return this.#cluster.server;
  }

  /** The servers that were given, and those that the cluster named. */
  get servers(): readonly string[] {
    return this.#cluster.servers;
  }

  /** Ends all connections at once. Calls that are not settled are: `NotDone`, or `Unknown` if sent. */
  close(): void {
    this.#cluster.close();
    this.#apart.close();
  }

  #take<T>(
    contest: Contest,
    options: LockOptions | undefined,
    toHeld: (outcome: Outcome) => T,
  ): Promise<T> {
    const checked = checkLockOptions(options, this.#settings);
    return take(this.#cluster, this.#settings, contest, checked).then(toHeld);
  }

  #ask<T>(
    words: readonly string[],
    isWrite: boolean,
    decode: (reply: Reply) => T,
    options: CallOptions | undefined,
    known: ReadonlySet<string> = CALL_OPTIONS,
  ): Promise<T> {
    checkNames(options, known);
    const [command, ...rest] = words;
    const request = [`RAFTKV.${command}`, ...rest];
    const name = `${request[0]} ${rest[0]}`;
    const what = { request, name, isWrite, isSessionWrite: false, decode };
    return submitOne(this.#apart, this.#settings, what, options);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }
}
