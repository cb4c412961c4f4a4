/** Users on this node: who its clients are, how users change, and whose connections are over. */
import type { Passwords } from "../host/ports.ts";
import { Users } from "../kv/users/users.ts";
import { NOBODY } from "../raft/types.ts";
import type { UserRequest } from "../wire/acl.ts";
import type { AccessUsers } from "../wire/client_access.ts";
import { ClientError } from "../wire/command_batch.ts";
import type { Answer } from "../wire/questions.ts";
import { type Asker, Security } from "./security/security.ts";
import type { NodeSession } from "./session/session_host.ts";
import { type NodeState, scheduleTurn } from "./state.ts";

/** Of a server that has no store yet. */
const NO_USERS = new Users();

export class NodeUsers implements AccessUsers {
  readonly #state: NodeState;
  readonly #security: Security;
  /** What this server has of the users is as new as it was when this process began, at least. */
  #isSettled = false;
  /** Of the users by which the sessions were looked at last. */
  #revision = 0;

  constructor(state: NodeState) {
    this.#state = state;
    const { config, passwords, rng, host, userResets } = state.options;
    this.#security = new Security({
      users: () => this.users,
      knowsUsers: () => this.knowsUsers(),
      monotonicMs: () => state.clock.monotonicMs(),
      log: (event) => host.log(event),
    }, {
      passwords: this.#waking(passwords),
      rng,
      patienceMs: config.timing.leaderWaitMs,
      userResets,
    });
  }

  /** What is hashed has changed when something is due: an answer that waits, the next hash. */
  #waking(passwords: Passwords): Passwords {
    return {
      hashPassword: (password, salt, parameters, done) => {
        passwords.hashPassword(password, salt, parameters, (hash) => {
          done(hash);
          scheduleTurn(this.#state);
        });
      },
      keyedDigest: (bytes) => passwords.keyedDigest(bytes),
    };
  }

  /** Asked with each command. */
  get areNone(): boolean {
    const { replica } = this.#state;
    return replica === null || (replica.store.users.count === 0 && !this.awaitsUsers);
  }

  get users(): Users {
    return this.#state.replica?.store.users ?? NO_USERS;
  }

  /** See SessionHost.ask. */
  ask(
    session: NodeSession,
    position: number,
    question: UserRequest,
  ): Answer | ClientError | null {
    if (this.#state.replica?.raft.state.role.kind !== "leader") return ClientError.redirect;
    return this.#security.ask(question, askerOf(session), (answer) => {
      session.answered(position, answer);
    });
  }

  /** See SessionHost.authenticate. */
  authenticate(session: NodeSession, position: number, name: string, password: Uint8Array): void {
    this.#security.authenticator.authenticate({
      remote: session.remote,
      name,
      password,
      done: (outcome) => {
        const isError = typeof outcome === "number";
        session.answered(position, isError ? outcome : { kind: "authenticated", ...outcome });
      },
    });
    scheduleTurn(this.#state);
  }

  /** After something was applied: whose user is gone or off by now has no connection any more. */
  note(): void {
    const { revision } = this.users;
    if (revision === this.#revision) return;
    this.#revision = revision;
    for (const session of this.#state.sessions.all()) {
      if (session.access.isRevoked) session.end("its user is gone, or off");
    }
  }

  nextDeadlineMs(): number {
    return this.#security.authenticator.nextDeadlineMs();
  }

  elapse(nowMs: number): void {
    this.#security.authenticator.elapse(nowMs);
  }

  /**
   * Changes of users were in the log when this process began, and may not be applied yet: what was so before
   * them holds no more, and nobody gets in by it.
   */
  get awaitsUsers(): boolean {
    return this.#state.replica?.beganWithUsers === true && !this.knowsUsers();
  }

  /** As this server stands once it has heard a leader, and applied what that had committed. */
  knowsUsers(): boolean {
    if (this.#isSettled) return true;
    const { replica } = this.#state;
    if (replica === null) return false;
    const { leaderId, term, commitIndex, log } = replica.raft.state;
    this.#isSettled = leaderId !== NOBODY && replica.store.appliedIndex >= commitIndex &&
      log.termAt(commitIndex) === term;
    return this.#isSettled;
  }
}

function askerOf({ access, remote }: NodeSession): Asker {
  return { userId: access.userId, remote };
}
