/**
 * Changes of users, on their way into the log: rules are read and passwords hashed before, by the server
 * that leads; what comes into the log is the same for all. Where this server leads no more by then, nothing
 * was done.
 */
import type { Rng, UserResets } from "../../host/ports.ts";
import { endCommand } from "../../kv/commands/command.ts";
import { commandNamed } from "../../kv/users/command_numbers.ts";
import { ChangeUserFlag, encodeByUser, encodeChangeUser } from "../../kv/users/operations.ts";
import { parseRule } from "../../kv/users/rules.ts";
import type { Password } from "../../kv/users/user.ts";
import { latin1Bytes } from "../../util/latin1.ts";
import type { Modification } from "../../kv/users/user_changes.ts";
import type { Users } from "../../kv/users/users.ts";
import { ByteWriter } from "../../util/bytes.ts";
import type { LogEvent } from "../api.ts";
import { LogPace } from "../reports/log_pace.ts";
import { PASSWORD_BYTES_MAX, ruleProblem, type UserAnswer } from "../../wire/acl.ts";
import { ClientError } from "../../wire/command_batch.ts";
import { drawSalt, isSame, parametersOf, SCRYPT } from "./authenticator.ts";
import { type HashQueue, LET_IN } from "./hash_queue.ts";

/** Passwords that one change adds and removes, at most: each is to be hashed. */
const PASSWORDS_MAX = 16;

export interface UserCommandsHost {
  users(): Users;
  monotonicMs(): number;
  log(event: LogEvent): void;
}

export interface UserChangeRequest {
  readonly name: string;
  /** As they came, a letter for each byte. */
  readonly rules: readonly string[];
  /** Who asks; 0: nobody, to make the first user. */
  readonly byUserId: number;
  /** By the secret that was left in the data directory, and by nothing else. */
  readonly reset: Reset | null;
}

interface Reset {
  readonly secret: string;
  /** Address and port of who shows it. */
  readonly remote: string;
}

/** As many as can be hashed for at a time, and then some. */
const DRAWN_MAX = 256;

const SETUSER = commandNamed("acl|setuser")!.number;

type Step =
  | Modification
  | { readonly kind: "hash"; readonly password: Uint8Array; readonly isAdded: boolean };

export class UserCommands {
  readonly #host: UserCommandsHost;
  readonly #queue: HashQueue;
  readonly #rng: Rng;
  /** Salts that were drawn lately, by the names of users who had no password; the last one is last. */
  readonly #drawn = new Map<string, Uint8Array>();
  readonly #resets: UserResets | undefined;
  readonly #pace = new LogPace();

  constructor(host: UserCommandsHost, queue: HashQueue, rng: Rng, resets?: UserResets) {
    this.#host = host;
    this.#queue = queue;
    this.#rng = rng;
    this.#resets = resets;
  }

  /** The answer, or null: it comes by `answer`. */
  change(
    request: UserChangeRequest,
    answer: (answer: UserAnswer | ClientError) => void,
  ): UserAnswer | ClientError | null {
    // Before anything is hashed for who may have no secret at all.
    const refusal = this.#resetProblem(request);
    if (refusal !== null) return refusal;
    const steps: Step[] = [];
    let hashes = 0;
    for (const text of request.rules) {
      const parsed = parseRule(text);
      switch (parsed.kind) {
        case "problem":
          return { kind: "wrongRule", why: ruleProblem(text, parsed.problem) };
        case "rule":
          steps.push(parsed);
          break;
        case "addPassword":
        case "removePassword": {
          const password = latin1Bytes(parsed.password);
          if (password.length > PASSWORD_BYTES_MAX) {
            const why = `a password has at most ${PASSWORD_BYTES_MAX} bytes`;
            return { kind: "wrongRule", why: ruleProblem(text, why) };
          }
          hashes++;
          steps.push({ kind: "hash", password, isAdded: parsed.kind === "addPassword" });
        }
      }
    }
    if (hashes === 0) return this.#written(request, steps as Modification[]);
    if (hashes > PASSWORDS_MAX) {
      return { kind: "wrongRule", why: `-ERR more than ${PASSWORDS_MAX} passwords at once` };
    }
    if (!this.#queue.makeRoom(LET_IN)) return ClientError.busy;
    this.#hash(request, steps, 0, [], answer);
    return null;
  }

  /** Hashes the passwords of `steps` from `at` on, one after the other; `done`: what comes before it. */
  #hash(
    request: UserChangeRequest,
    steps: readonly Step[],
    at: number,
    done: readonly Modification[],
    answer: (answer: UserAnswer | ClientError) => void,
  ): void {
    const step = steps[at];
    if (step === undefined) return answer(this.#written(request, done));
    const next = (modification: Modification) => {
      this.#hash(request, steps, at + 1, [...done, modification], answer);
    };
    if (step.kind !== "hash") return next(step);
    if (step.isAdded) {
      return this.#add(step.password, this.#saltFor(request.name, done), next, answer);
    }
    this.#find(step.password, this.#knownOf(request.name, done), 0, (password) => {
      if (password !== null) return next({ kind: "removePassword", password });
      const why = "The password you are trying to remove from the user does not exist";
      answer({ kind: "wrongRule", why: ruleProblem("<", why) });
    }, answer);
  }

  #add(
    password: Uint8Array,
    salt: Uint8Array,
    next: (modification: Modification) => void,
    answer: (answer: ClientError) => void,
  ): void {
    this.#queue.add({
      password,
      salt,
      parameters: parametersOf(SCRYPT),
      standing: () => LET_IN,
      done: (hash) => {
        if (hash === null) return answer(ClientError.busy);
        next({ kind: "addPassword", password: { ...SCRYPT, salt, hash } });
      },
    });
  }

  /** Finds which of the passwords from `at` on this one is; null: none. */
  #find(
    password: Uint8Array,
    known: readonly Password[],
    at: number,
    found: (password: Password | null) => void,
    answer: (answer: ClientError) => void,
  ): void {
    const one = known[at];
    if (one === undefined) return found(null);
    this.#queue.add({
      password,
      salt: one.salt,
      parameters: parametersOf(one),
      standing: () => LET_IN,
      done: (hash) => {
        if (hash === null) return answer(ClientError.busy);
        // As a rule all have the same salt, and this one hash tells of all.
        const same = known.find((other) =>
          isSame(other.salt, one.salt) && isSame(other.hash, hash)
        );
        if (same !== undefined) return found(same);
        const rest = known.slice(at + 1).filter((other) => !isSame(other.salt, one.salt));
        this.#find(password, rest, 0, found, answer);
      },
    });
  }

  /**
   * A user's passwords have the same salt, so that one hash tells whether a password is any of them: also
   * those of changes that are under way at once.
   */
  #saltFor(name: string, done: readonly Modification[]): Uint8Array {
    const known = this.#knownOf(name, done)[0]?.salt;
    if (known !== undefined) return known;
    const salt = this.#drawn.get(name) ?? drawSalt(this.#rng);
    this.#drawn.delete(name);
    this.#drawn.set(name, salt);
    if (this.#drawn.size > DRAWN_MAX) {
      const [oldest] = this.#drawn.keys();
      this.#drawn.delete(oldest!);
    }
    return salt;
  }

  /** The passwords that the user has now, and those that are added before. */
  #knownOf(name: string, done: readonly Modification[]): Password[] {
    const added = done.flatMap((one) => one.kind === "addPassword" ? [one.password] : []);
    return [...this.#host.users().byName(name)?.passwords ?? [], ...added];
  }

  #written(request: UserChangeRequest, modifications: readonly Modification[]): UserAnswer {
    const { name, byUserId, reset } = request;
    const out = new ByteWriter();
    if (reset !== null) {
      const refusal = this.#takeReset(name, reset);
      if (refusal !== null) return refusal;
      encodeChangeUser(out, name, modifications, ChangeUserFlag.byReset);
      return { kind: "write", bytes: out.copy() };
    }
    if (byUserId !== 0) encodeByUser(out, byUserId, SETUSER);
    encodeChangeUser(out, name, modifications);
    if (byUserId !== 0) endCommand(out, 0);
    return { kind: "write", bytes: out.copy() };
  }

  #resetProblem({ reset }: UserChangeRequest): UserAnswer | null {
    if (reset === null) return null;
    if (this.#host.users().count === 0) {
      return refused("there are no users: make the first one, raftkv user add");
    }
    const problem = this.#resets === undefined
      ? "this server takes no secrets"
      : this.#resets.problem(reset.secret);
    return problem === null ? null : this.#refuse(problem, reset);
  }

  /** The secret is used up before the change is proposed, so that it never counts twice. */
  #takeReset(name: string, reset: Reset): UserAnswer | null {
    const problem = this.#resets?.take(reset.secret) ?? null;
    if (problem !== null) return this.#refuse(problem, reset);
    const message = "A user is changed by a secret from the data directory";
    const fields = { user: name, remote: reset.remote };
    this.#host.log({ level: "warning", message, fields });
    return null;
  }

  #refuse(problem: string, { remote }: Reset): UserAnswer {
    const message = "A secret to change a user was refused";
    const omitted = this.#pace.ask(message, this.#host.monotonicMs());
    if (omitted !== null) {
      const fields = { remote, why: problem, ...(omitted > 0 && { omitted }) };
      this.#host.log({ level: "warning", message, fields });
    }
    return refused(problem);
  }
}

function refused(why: string): UserAnswer {
  return { kind: "wrongRule", why: `-ERR nothing was done: ${why}` };
}
