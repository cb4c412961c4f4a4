/**
 * How those who try passwords stand with this server: how often their address and its network failed lately,
 * and how many they have under way. For whom they fail counts nowhere but in how long the answer to a failure
 * waits: nobody is kept out by what others do with his name.
 */
import type { Passwords } from "../../host/ports.ts";
import { addressKey, networkKey } from "../../util/address.ts";
import { Failures, NameFailures } from "./failures.ts";
import type { Standing } from "./hash_queue.ts";

/**
 * From so many failures on, an address has so many passwords under way, for one name and in all, and the
 * addresses of one network share the smaller budget of hashes.
 */
const FAILURES_MANY = 8;
const UNDER_WAY_NAME_MAX = 2;
const UNDER_WAY_MAX = 16;

const encoder = new TextEncoder();

/** Who tries a password. */
export interface Tester {
  readonly address: string;
  readonly network: string;
  /** The name that it tries, and the two together. No address has a zero byte in it. */
  readonly name: string;
  readonly pair: string;
}

export class Standings {
  readonly #passwords: Passwords;
  readonly #byAddress = new Failures();
  readonly #byNetwork = new Failures();
  readonly #byName = new NameFailures();
  /** Passwords that are hashed, or wait for their answer: by address, and by address and name. */
  readonly #underWay = new Map<string, number>();

  constructor(passwords: Passwords) {
    this.#passwords = passwords;
  }

  /** `remote`: address and port. */
  testerOf(remote: string, name: string): Tester {
    const address = addressKey(remote);
    return { address, network: networkKey(remote), name, pair: `${address}\0${name}` };
  }

  of({ address, network }: Tester, nowMs: number): Standing {
    return {
      isSuspect: this.#byNetwork.count(network, nowMs) >= FAILURES_MANY,
      failures: this.#byAddress.count(address, nowMs),
    };
  }

  /** It failed often, and has as many passwords under way as such a one may have. */
  hasTooMany({ address, pair }: Tester, nowMs: number): boolean {
    if (this.#byAddress.count(address, nowMs) < FAILURES_MANY) return false;
    const underWay = (key: string) => this.#underWay.get(key) ?? 0;
    return underWay(address) >= UNDER_WAY_MAX || underWay(pair) >= UNDER_WAY_NAME_MAX;
  }

  /** A password of it is under way, until it leaves. */
  enter({ address, pair }: Tester): void {
    for (const key of [address, pair]) this.#underWay.set(key, (this.#underWay.get(key) ?? 0) + 1);
  }

  leave({ address, pair }: Tester): void {
    for (const key of [address, pair]) {
      const left = (this.#underWay.get(key) ?? 1) - 1;
      if (left === 0) this.#underWay.delete(key);
      else this.#underWay.set(key, left);
    }
  }

  /** Counts a failure; how long its answer is to wait. */
  fail({ address, network, name }: Tester, nowMs: number): number {
    const byNameMs = this.#byName.note(this.#passwords.keyedDigest(encoder.encode(name)), nowMs);
    this.#byNetwork.note(network, nowMs);
    return Math.max(byNameMs, this.#byAddress.note(address, nowMs));
  }
}
