/**
 * Clients that are users: one gives and takes permissions, the others write and read a few keys as whoever they
 * can be, while the log decides who may do what. All clients of lines are authenticated as well (client.ts).
 * Servers' states, and replies, are compared with what the log says: user_ledger.ts.
 */
import { Random } from "../../lib/util/random.ts";
import { encodeByUser } from "../../lib/kv/users/operations.ts";
import { commandNamed } from "../../lib/kv/users/command_numbers.ts";
import { encodeCommand, endCommand, Op } from "../../lib/kv/commands/command.ts";
import { Result, Status } from "../../lib/kv/commands/result.ts";
import type { Store } from "../../lib/kv/store.ts";
import { ByteWriter } from "../../lib/util/bytes.ts";
import type { Need } from "../kv/users/model.ts";
import type { Reply } from "../process/redis_socket.ts";
import { fromBytes, toBytes } from "../process/socket.ts";
import { ADMINISTRATOR, type ClientSetting, passwordOf } from "./client.ts";
import type { UsersOptions } from "./users_options.ts";
import { type Ask, RedisClient, type RedisTask } from "./redis_client.ts";
import {
  changesUsers,
  mayIn,
  OWNED_KEYS,
  UserLedger,
  type UsersThen,
  valuesText,
} from "./user_ledger.ts";
import type { StateChecks } from "./checks.ts";
import { CheckFailure } from "./world.ts";

const NAMES = ["alice", "bob"] as const;

/** Errors to AUTH: there are no users yet, it is the wrong one, too much is hashed. */
const NOT_IN = /^(ERR AUTH <password>|WRONGPASS|BUSY)/;
const NOT_PERMITTED = /^(NOPERM|NOAUTH|EXECABORT)/;

type Answer = Exclude<Reply, Error>;

/** What all of them share. */
class Shared {
  readonly ledger: UserLedger;
  readonly committedIndex: () => number;
  values = 0;
  answered = 0;
  denied = 0;
  /**
   * A server began with a change of users in its log that it had not applied: until it knows what became of it,
   * which may be nothing, it asks for authentication.
   */
  hasAwaitedUsers = false;

  constructor(ledger: UserLedger, committedIndex: () => number) {
    this.ledger = ledger;
    this.committedIndex = committedIndex;
  }

  /** Who there was while a command that began then was under way. */
  since(index: number): UsersThen[] {
    return this.ledger.between(index, this.committedIndex());
  }
}

abstract class UserTask implements RedisTask {
  /** It is who it says; else nobody. */
  protected isIn = false;
  protected readonly name: string;
  protected readonly shared: Shared;
  protected readonly random: Random;

  constructor(name: string, shared: Shared, random: Random) {
    this.name = name;
    this.shared = shared;
    this.random = random;
  }

  lost(): void {
    this.isIn = false;
  }

  abstract next(): Ask[];

  protected authenticate(): Ask {
    const args = ["AUTH", this.name, passwordOf(this.name)];
    return {
      args,
      took: (reply) => {
        if (reply !== "OK") odd(args, reply);
        // Each server lets in by the users that it knows, and may be behind: what one may do is decided later.
        const could = this.shared.since(0).some((users) =>
          [...users.values()].some(({ name, user }) => name === this.name && user.letsIn)
        );
        if (!could) fail(`${this.name} got in, and there never was such a user`);
        this.isIn = true;
      },
      failed: (text) => NOT_IN.test(text),
    };
  }
}

class AdministratorTask extends UserTask {
  next(): Ask[] {
    const { random } = this;
    if (!this.isIn) {
      if (random.chance(0.5)) return [this.authenticate()];
      const rules = ["on", `>${passwordOf(this.name)}`, "~*", "&*", "+@all"];
      return [this.#change(["ACL", "SETUSER", this.name, ...rules])];
    }
    const name = random.pick([...NAMES]);
    if (random.chance(0.15)) return [this.#change(["ACL", "DELUSER", name])];
    const rules = random.chance(0.4)
      ? ["on", "resetpass", `>${passwordOf(name)}`, "resetkeys", "~owned:*", "+@all"]
      : Array.from({ length: random.between(1, 3) }, () => this.#rule());
    return [this.#change(["ACL", "SETUSER", name, ...rules])];
  }

  #rule(): string {
    const { random } = this;
    if (random.chance(0.1)) return random.pick(["off", "on", "reset", "resetkeys", "~*"]);
    if (random.chance(0.3)) {
      const key = random.pick([...OWNED_KEYS, "owned:*", "*"]);
      return random.pick(["~", "%R~", "%W~"]) + key;
    }
    const command = random.pick(["get", "set", "del", "mset", "exec", "@write", "@read", "@all"]);
    return random.pick(["+", "-"]) + command;
  }

  #change(args: string[]): Ask {
    return {
      args,
      took: (reply) => {
        if (reply !== "OK" && typeof reply !== "number") odd(args, reply);
        this.shared.answered++;
      },
      failed: (text) => /^(ERR|NOAUTH|NOPERM|BUSY)/.test(text),
    };
  }
}

/** One command, what it needs of which keys, and whether what came back is an answer to it. */
interface Command {
  readonly args: readonly string[];
  readonly need: Need;
  readonly keys: readonly string[];
  readonly fits: (reply: Reply | undefined) => boolean;
}

class OwnerTask extends UserTask {
  /** Of a transaction that was begun: permissions may change before it comes. */
  #exec: Ask | null = null;

  override lost(): void {
    super.lost();
    this.#exec = null;
  }

  next(): Ask[] {
    const { random } = this;
    const exec = this.#exec;
    this.#exec = null;
    if (exec !== null) return [exec];
    const isNobody = !this.isIn;
    // Now and then as nobody, which everybody may be until there is a user.
    if (isNobody && random.chance(0.7)) return [this.authenticate()];
    if (!isNobody && random.chance(0.25)) return this.#transaction();
    return Array.from({ length: random.between(1, 4) }, () => this.#ask(this.#command()));
  }

  #ask(command: Command): Ask {
    const beganAt = this.shared.committedIndex();
    const { isIn } = this;
    const { args } = command;
    return {
      args,
      took: (reply) => {
        if (!command.fits(reply)) odd(args, reply);
        this.#done(command, beganAt, isIn);
      },
      failed: (text) => this.#refused(text, command, isIn),
    };
  }

  #transaction(): Ask[] {
    const { isIn } = this;
    const commands = Array.from({ length: this.random.between(1, 3) }, () => this.#command());
    // Judged once more, and decided, when EXEC comes.
    const beganAt = this.shared.committedIndex();
    let isQueueing = false;
    const multi: Ask = {
      args: ["MULTI"],
      took: (reply) => {
        if (reply !== "OK") odd(["MULTI"], reply);
        isQueueing = true;
      },
      failed: (text) => NOT_PERMITTED.test(text),
    };
    // Where it may not begin a transaction, each is done as it comes.
    const queued = commands.map((command): Ask => {
      const alone = this.#ask(command);
      return {
        args: command.args,
        took: (reply) => {
          if (!isQueueing) alone.took(reply);
          else if (reply !== "QUEUED") odd(command.args, reply);
        },
        failed: (text) => NOT_PERMITTED.test(text),
      };
    });
    const exec: Ask = {
      args: ["EXEC"],
      took: (reply) => {
        if (!Array.isArray(reply) || reply.length !== commands.length) return odd(["EXEC"], reply);
        for (const [at, command] of commands.entries()) {
          const part = (reply as Reply[])[at];
          if (part instanceof Error) this.#refused(part.message, command, isIn);
          else if (command.fits(part)) this.#done(command, beganAt, isIn);
          else odd(command.args, part);
        }
      },
      failed: (text) => NOT_PERMITTED.test(text) || text.startsWith("ERR EXEC without MULTI"),
    };
    this.#exec = exec;
    return [multi, ...queued];
  }

  /** It was done: so there has to have been a moment when it was permitted. */
  #done({ args, need, keys }: Command, beganAt: number, isIn: boolean): void {
    this.shared.answered++;
    const name = isIn ? this.name : null;
    const could = this.shared.since(beganAt).some((users) =>
      isPossible(users, name, args, need, keys)
    );
    if (!could) fail(`${name ?? "nobody"} did ${args.join(" ")}, which was not permitted then`);
  }

  /**
   * It was refused: so there has to have been a moment when it was not permitted. That may have been long
   * ago, for whoever got in as a user that is gone.
   */
  #refused(text: string, { args, need, keys }: Command, isIn: boolean): boolean {
    if (!NOT_PERMITTED.test(text)) return false;
    this.shared.denied++;
    const name = isIn ? this.name : null;
    const always = this.shared.since(0).every((users) => isPossible(users, name, args, need, keys));
    if (always && !(name === null && this.shared.hasAwaitedUsers)) {
      fail(`${name ?? "nobody"} was refused ${args.join(" ")}: ${text}`);
    }
    return true;
  }

  #command(): Command {
    const { random, shared } = this;
    const key = random.pick([...OWNED_KEYS]);
    const value = () => `v${++shared.values}`;
    const roll = random.unit();
    if (roll < 0.4) {
      const fits = (reply: Reply | undefined) => reply === null || /^v\d+$/.test(`${reply}`);
      return { args: ["GET", key], need: "read", keys: [key], fits };
    }
    const isOk = (reply: Reply | undefined) => reply === "OK";
    if (roll < 0.75) {
      return { args: ["SET", key, value()], need: "write", keys: [key], fits: isOk };
    }
    if (roll < 0.85) {
      const fits = (reply: Reply | undefined) => reply === 0 || reply === 1;
      return { args: ["DEL", key], need: "write", keys: [key], fits };
    }
    const other = OWNED_KEYS[(OWNED_KEYS.indexOf(key) + 1) % OWNED_KEYS.length]!;
    const args = ["MSET", key, value(), other, value()];
    return { args, need: "write", keys: [key, other], fits: isOk };
  }
}

/** Whether somebody of this name, or nobody, could do that where there were these users. */
function isPossible(
  users: UsersThen,
  name: string | null,
  args: readonly string[],
  need: Need,
  keys: readonly string[],
): boolean {
  if (name === null) return mayIn(users, null, need, keys);
  const command = args[0]!.toLowerCase();
  return [...users].some(([id, one]) =>
    one.name === name && mayIn(users, { id, command }, need, keys)
  );
}

/** All that users do in one world, and what it has to come to. */
export class UserWorkload {
  readonly #shared: Shared;
  readonly #setting: ClientSetting;
  readonly #options: UsersOptions;
  readonly #random: Random;
  readonly #ledger = new UserLedger();
  #clients: RedisClient[] = [];

  constructor(setting: ClientSetting, options: UsersOptions, checks: StateChecks) {
    this.#setting = setting;
    this.#options = options;
    this.#random = new Random(setting.options.seed ^ 0x05e4);
    this.#shared = new Shared(this.#ledger, () => checks.committedIndex);
    checks.onCommitted = (data) => this.#ledger.add(data);
    checks.onOpened = (probe) => {
      for (let index = probe.appliedIndex() + 1; index <= probe.lastIndex(); index++) {
        if (changesUsers(probe.dataAt(index))) this.#shared.hasAwaitedUsers = true;
      }
    };
    checks.onApplied = (id, probe, index) => {
      const store = probe.store();
      if (store !== null) this.#applied(id, store, index);
    };
  }

  begin(): void {
    const { clients, thinkMeanMs } = this.#options;
    const begin = (task: RedisTask) =>
      new RedisClient(this.#setting, task, this.#random.fork(), thinkMeanMs);
    this.#clients = [
      begin(new AdministratorTask(ADMINISTRATOR, this.#shared, this.#random.fork())),
    ];
    for (let i = 0; i < clients; i++) {
      const name = NAMES[i % NAMES.length]!;
      this.#clients.push(begin(new OwnerTask(name, this.#shared, this.#random.fork())));
    }
  }

  /** A server has applied its log up to `index`: it has to have come to what the ledger says. */
  #applied(id: number, store: Store, index: number): void {
    const users = this.#ledger.usersAt(index);
    const { users: theirs } = store;
    if (theirs.count !== users.size) {
      fail(`server ${id} has ${theirs.count} users at entry ${index}, and there are ${users.size}`);
    }
    let readerId = 0;
    for (const [userId, { name, user }] of users) {
      if (name === ADMINISTRATOR) readerId = userId;
      const isSame = theirs.idOf(name) === userId && theirs.byId(userId)?.letsIn === user.letsIn &&
        PROBED.every((command) =>
          theirs.mayRun(userId, commandNamed(command)!.number) ===
            (user.isOn && user.allowsCommand(command))
        );
      if (!isSame) fail(`server ${id} has another ${name} at entry ${index} than the log says`);
    }
    const values = valuesText((key) => valueOf(store, readerId, key));
    const wanted = this.#ledger.valuesAt(index);
    if (values === wanted) return;
    fail(`server ${id} holds ${values} at entry ${index}; as the log has it, it is ${wanted}`);
  }

  stop(): void {
    for (const client of this.#clients) client.isStopped = true;
  }

  get isIdle(): boolean {
    return this.#clients.every((client) => client.waiting === 0);
  }

  leave(): void {
    for (const client of this.#clients) client.leave();
  }

  /** Adds what there was to the counters. */
  count(): void {
    const { counters } = this.#setting.fabric.world;
    const { answered, denied } = this.#shared;
    counters.add("users answered", answered);
    counters.add("users denied", denied);
    counters.add("users' commands decided", this.#ledger.decided);
    counters.add("users' commands refused", this.#ledger.refused);
  }
}

const PROBED = ["get", "set", "del", "mset", "exec", "acl|setuser"];
const result = new Result();

/** What a key holds, as one who may read everything is shown it; as nobody, where there are no users. */
function valueOf(store: Store, readerId: number, key: string): string | undefined {
  const out = new ByteWriter();
  const at = readerId === 0 ? -1 : encodeByUser(out, readerId, commandNamed("get")!.number);
  const bytes = toBytes(key);
  encodeCommand(out, Op.get, bytes, 0, bytes.length, 0, 0);
  if (at >= 0) endCommand(out, at);
  store.read(out.bytes, 0, result);
  if (result.status === Status.notFound) return undefined;
  if (result.status !== Status.found) fail(`${key} can't be read: status ${result.status}`);
  return fromBytes(result.bytes.subarray(result.offset, result.offset + result.length));
}

function fail(message: string): never {
  throw new CheckFailure("permissions", message);
}

function odd(args: readonly string[], reply: Answer | Reply | undefined): never {
  const text = `${args.join(" ")} was answered ${JSON.stringify(reply)}`;
  throw new CheckFailure("redis replies", text);
}
