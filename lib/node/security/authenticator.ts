/**
 * Who a client is, by name and password. Synchronous: a hash comes back as a call, a delay ends in `elapse`.
 *
 * A name that nobody has, a user that is off and a wrong password all cost as many hashes, are told in the
 * same words and wait as long, so nobody learns which names there are. What went well once is remembered by
 * a keyed digest and costs no hash again, until the password is taken from the user. Failures delay the
 * answers to failures, never those to who has the password. An address that failed often has few passwords
 * under way at a time, and fewer for one name; a network that did has a small budget of hashes. What counts
 * there is who fails, never for whom: so nobody can lock a user out from elsewhere, and from the user's own
 * address only until the user has been let in once.
 */
import type { Passwords, Rng, ScryptParameters } from "../../host/ports.ts";
import type { User } from "../../kv/users/user.ts";
import type { Users } from "../../kv/users/users.ts";
import { ClientError } from "../../wire/command_batch.ts";
import type { LogEvent } from "../api.ts";
import { PacedLog } from "../reports/paced_log.ts";
import { compareStandings, type HashQueue, type Standing } from "./hash_queue.ts";
import { Standings, type Tester } from "./standings.ts";

/** Of passwords set from now on: some 16 MiB and 50 ms each. */
export const SCRYPT = { logN: 14, r: 8, p: 1 };
const SALT_BYTES = 16;

/** Passwords that went well, remembered at a time. */
const KNOWN_MAX = 4_096;
/** How often it is looked whether this server knows its users by now. */
const LOOK_MS = 10;

/** The user's id, or why it is none. */
export type Outcome = { readonly userId: number } | ClientError;

export interface Attempt {
  /** Address and port of the client. */
  readonly remote: string;
  readonly name: string;
  readonly password: Uint8Array;
  /** Called once, perhaps at once. */
  readonly done: (outcome: Outcome) => void;
}

export interface AuthenticatorHost {
  users(): Users;
  /** False while what this server has of the users may be from before it started. */
  knowsUsers(): boolean;
  monotonicMs(): number;
  log(event: LogEvent): void;
}

interface Try extends Attempt {
  readonly tester: Tester;
}

/** A password that is being hashed, for everybody who sent the same one for the same name. */
interface Job {
  readonly digest: string;
  /** The first of them stands best. */
  readonly attempts: Try[];
}

interface Salt {
  readonly salt: Uint8Array;
  readonly parameters: ScryptParameters;
}

interface Known {
  readonly userId: number;
  readonly hash: Uint8Array;
}

export class Authenticator {
  readonly #host: AuthenticatorHost;
  readonly #passwords: Passwords;
  readonly #queue: HashQueue;
  readonly #paced: PacedLog;
  readonly #rng: Rng;
  /** For names that nobody has. Drawn when it is needed: without users nothing is drawn. */
  #dummySalt: Uint8Array | null = null;
  /** How long an attempt waits for this server to know its users. */
  readonly #patienceMs: number;
  readonly #standings: Standings;
  /** The most hashes that a wrong password for one of the users takes, and the users of which that is so. */
  #hashesMax = 1;
  #hashesRevision = -1;
  readonly #jobs = new Map<string, Job>();
  /** By the digest of name and password; the one used last is last. */
  readonly #known = new Map<string, Known>();
  #awaiting: { readonly attempt: Attempt; readonly sinceMs: number }[] = [];
  #delayed: { readonly attempt: Try; readonly dueMs: number }[] = [];
  /** The first of them. */
  #nextDueMs = Infinity;
  #lookedMs = -Infinity;

  constructor(
    host: AuthenticatorHost,
    parts: {
      readonly passwords: Passwords;
      readonly queue: HashQueue;
      readonly rng: Rng;
      readonly patienceMs: number;
    },
  ) {
    this.#host = host;
    this.#passwords = parts.passwords;
    this.#standings = new Standings(parts.passwords);
    this.#queue = parts.queue;
    this.#paced = new PacedLog(host);
    this.#rng = parts.rng;
    this.#patienceMs = parts.patienceMs;
  }

  authenticate(attempt: Attempt): void {
    if (this.#host.knowsUsers()) return this.#decide(attempt);
    this.#awaiting.push({ attempt, sinceMs: this.#host.monotonicMs() });
  }

  /** When `elapse` has something to do. */
  nextDeadlineMs(): number {
    let nextMs = Math.min(this.#paced.nextDeadlineMs(), this.#queue.nextDeadlineMs());
    if (this.#awaiting.length > 0) nextMs = Math.min(nextMs, this.#lookedMs + LOOK_MS);
    return Math.min(nextMs, this.#nextDueMs);
  }

  elapse(nowMs: number): void {
    this.#lookedMs = nowMs;
    this.#paced.elapse(nowMs);
    this.#queue.elapse();
    if (this.#awaiting.length > 0) {
      const knows = this.#host.knowsUsers();
      const awaiting = this.#awaiting;
      this.#awaiting = [];
      for (const one of awaiting) {
        if (knows || nowMs - one.sinceMs >= this.#patienceMs) this.#decide(one.attempt);
        else this.#awaiting.push(one);
      }
    }
    if (nowMs < this.#nextDueMs) return;
    const due = this.#delayed.filter(({ dueMs }) => dueMs <= nowMs);
    this.#delayed = this.#delayed.filter(({ dueMs }) => dueMs > nowMs);
    this.#nextDueMs = this.#delayed.reduce((ms, { dueMs }) => Math.min(ms, dueMs), Infinity);
    for (const { attempt } of due) {
      this.#standings.leave(attempt.tester);
      attempt.done(ClientError.wrongPassword);
    }
  }

  #decide(attempt: Attempt): void {
    const users = this.#host.users();
    if (users.count === 0) {
      // Clients that are told that there are none continue without having authenticated.
      return attempt.done(this.#host.knowsUsers() ? ClientError.noUsers : ClientError.loading);
    }
    const user = users.byId(users.idOf(attempt.name));
    if (user !== undefined && user.isOn && user.hasNoPassword) {
      return attempt.done({ userId: user.id });
    }
    const digest = this.#digestOf(attempt);
    if (user !== undefined && this.#isKnown(user, digest)) {
      return attempt.done({ userId: user.id });
    }
    const tester = this.#standings.testerOf(attempt.remote, attempt.name);
    this.#hashFor({ ...attempt, tester }, user, digest);
  }

  #hashFor(attempt: Try, user: User | undefined, digest: string): void {
    const same = this.#jobs.get(digest);
    const standing = this.#standingOf(attempt);
    const isTooMany = this.#standings.hasTooMany(attempt.tester, this.#host.monotonicMs());
    if (isTooMany || (same === undefined && !this.#queue.makeRoom(standing))) {
      return attempt.done(ClientError.busy);
    }
    this.#standings.enter(attempt.tester);
    if (same !== undefined) return this.#join(same, attempt, standing);
    const job: Job = { digest, attempts: [attempt] };
    this.#jobs.set(digest, job);
    this.#hash(job, this.#saltsOf(user), 0);
  }

  /** It is hashed for both, and as soon as for whoever of them stands better. */
  #join({ attempts }: Job, attempt: Try, standing: Standing): void {
    if (compareStandings(standing, this.#standingOf(attempts[0]!)) >= 0) {
      attempts.push(attempt);
      return;
    }
    attempts.unshift(attempt);
    this.#queue.reorder();
  }

  #standingOf({ tester }: Try): Standing {
    return this.#standings.of(tester, this.#host.monotonicMs());
  }

  /**
   * One hash for each salt that the user's passwords have, as a rule the same; and then as many more as the
   * user with the most of them takes, so that their number does not tell that there is a user.
   */
  #saltsOf(user: User | undefined): Salt[] {
    const salts: Salt[] = [];
    for (const password of user?.passwords ?? []) {
      const { salt } = password;
      if (!salts.some((one) => isSame(one.salt, salt))) {
        salts.push({ salt, parameters: parametersOf(password) });
      }
    }
    while (salts.length < this.#mostHashes()) {
      this.#dummySalt ??= drawSalt(this.#rng);
      salts.push({ salt: this.#dummySalt, parameters: parametersOf(SCRYPT) });
    }
    return salts;
  }

  /** Counted once for each change of the users. */
  #mostHashes(): number {
    const users = this.#host.users();
    if (users.revision === this.#hashesRevision) return this.#hashesMax;
    this.#hashesRevision = users.revision;
    this.#hashesMax = 1;
    for (const { passwords } of users.all()) {
      if (passwords.length <= this.#hashesMax) continue;
      const salts = passwords.filter(({ salt }, at) =>
        passwords.findIndex((other) => isSame(other.salt, salt)) === at
      );
      this.#hashesMax = Math.max(this.#hashesMax, salts.length);
    }
    return this.#hashesMax;
  }

  #hash(job: Job, salts: readonly Salt[], at: number): void {
    const { salt, parameters } = salts[at]!;
    const { password } = job.attempts[0]!;
    this.#queue.add({
      password,
      salt,
      parameters,
      standing: () => this.#standingOf(job.attempts[0]!),
      done: (hash) => {
        if (hash === null) return this.#giveUp(job);
        const userId = this.#match(job, hash);
        if (userId === 0) this.#queue.rest();
        if (userId === 0 && at + 1 < salts.length) return this.#hash(job, salts, at + 1);
        this.#jobs.delete(job.digest);
        for (const attempt of job.attempts) {
          if (userId === 0) this.#fail(attempt);
          else {
            this.#standings.leave(attempt.tester);
            attempt.done({ userId });
          }
        }
      },
    });
  }

  /** It was not hashed: that tells nothing of the password, and is no failure of its client. */
  #giveUp({ digest, attempts }: Job): void {
    this.#jobs.delete(digest);
    for (const attempt of attempts) {
      this.#standings.leave(attempt.tester);
      attempt.done(ClientError.busy);
    }
  }

  /** The id of the user that has this password now, after its hash was made; 0: it has not. */
  #match({ digest, attempts }: Job, hash: Uint8Array): number {
    const users = this.#host.users();
    const user = users.byId(users.idOf(attempts[0]!.name));
    // All are compared, whichever it is.
    let found: Uint8Array | null = null;
    for (const password of user?.passwords ?? []) {
      if (isSame(password.hash, hash)) found = password.hash;
    }
    if (user === undefined || found === null || !user.isOn) return 0;
    this.#known.set(digest, { userId: user.id, hash: found });
    dropOldest(this.#known, KNOWN_MAX);
    return user.id;
  }

  #isKnown(user: User, digest: string): boolean {
    const known = this.#known.get(digest);
    if (known === undefined) return false;
    this.#known.delete(digest);
    const holds = known.userId === user.id &&
      user.passwords.some(({ hash }) => isSame(hash, known.hash));
    if (holds) this.#known.set(digest, known);
    return holds && user.isOn;
  }

  /** It is told so after a while, that nobody can try many. */
  #fail(attempt: Try): void {
    const nowMs = this.#host.monotonicMs();
    const { remote, name } = attempt;
    const isUser = this.#host.users().idOf(name) !== 0;
    const delayMs = this.#standings.fail(attempt.tester, nowMs);
    this.#delayed.push({ attempt, dueMs: nowMs + delayMs });
    this.#nextDueMs = Math.min(this.#nextDueMs, nowMs + delayMs);
    const message = "A client failed to authenticate";
    // What was typed may be a password in the wrong place: it is named where it is a name.
    const fields: LogEvent["fields"] = isUser ? { remote, user: name } : { remote };
    this.#paced.log("authentication", { level: "warning", message, fields }, nowMs);
  }

  #digestOf({ name, password }: Attempt): string {
    const head = new TextEncoder().encode(`${name}\0`);
    const bytes = new Uint8Array(head.length + password.length);
    bytes.set(head);
    bytes.set(password, head.length);
    return this.#passwords.keyedDigest(bytes);
  }
}

/** What scrypt takes for such a password. */
export function parametersOf(
  { logN, r, p }: { readonly logN: number; readonly r: number; readonly p: number },
): ScryptParameters {
  return { N: 2 ** logN, r, p };
}

export function drawSalt(rng: Rng): Uint8Array {
  const salt = new Uint8Array(SALT_BYTES);
  const view = new DataView(salt.buffer);
  for (let at = 0; at < SALT_BYTES; at += 4) view.setUint32(at, rng.u32());
  return salt;
}

/** In a time that does not depend on where they differ. */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}

function dropOldest(known: Map<string, Known>, countMax: number): void {
  if (known.size <= countMax) return;
  for (const oldest of known.keys()) {
    known.delete(oldest);
    return;
  }
}
