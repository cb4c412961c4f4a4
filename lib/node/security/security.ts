/** Users on this server: who its clients are, and how users change. The parts that share one queue. */
import type { Passwords, Rng, UserResets } from "../../host/ports.ts";
import type { UserAnswer, UserRequest } from "../../wire/acl.ts";
import type { ClientError } from "../../wire/command_batch.ts";
import { Authenticator, type AuthenticatorHost } from "./authenticator.ts";
import { HashQueue } from "./hash_queue.ts";
import { UserCommands } from "./user_commands.ts";

export interface SecurityOptions {
  readonly passwords: Passwords;
  readonly rng: Rng;
  readonly userResets?: UserResets | undefined;
  /** How long an attempt waits for this server to know its users. */
  readonly patienceMs: number;
}

/** Who asks. */
export interface Asker {
  /** 0: nobody. */
  readonly userId: number;
  /** Address and port. */
  readonly remote: string;
}

export class Security {
  readonly authenticator: Authenticator;
  readonly #commands: UserCommands;

  constructor(
    host: AuthenticatorHost,
    { passwords, rng, patienceMs, userResets }: SecurityOptions,
  ) {
    const queue = new HashQueue(passwords, () => host.monotonicMs());
    this.authenticator = new Authenticator(host, { passwords, queue, rng, patienceMs });
    this.#commands = new UserCommands(host, queue, rng, userResets);
  }

  /** The answer, or null: it comes by `answer`. Asked on the server that leads alone. */
  ask(
    request: UserRequest,
    { userId, remote }: Asker,
    answer: (answer: UserAnswer | ClientError) => void,
  ): UserAnswer | ClientError | null {
    if (request.kind === "users") return request;
    const { name, rules } = request;
    const reset = request.kind === "resetUser" ? { secret: request.secret, remote } : null;
    return this.#commands.change({ name, rules, byUserId: userId, reset }, answer);
  }
}
