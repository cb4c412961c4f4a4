/** Keys that are written by what is in the log, and not applied: by which transaction. */
import type { ScriptGroup } from "./script_group.ts";

export class KeyHolders {
  readonly #groups = new Map<string, ScriptGroup>();
  readonly isHeld = (key: string): boolean => this.#groups.has(key);

  of(key: string): ScriptGroup | undefined {
    return this.#groups.get(key);
  }

  /** Of those keys, if any: who writes the first that is held. */
  ofAny(keys: readonly string[]): ScriptGroup | undefined {
    if (this.#groups.size === 0) return undefined;
    for (let i = 0; i < keys.length; i++) {
      const holder = this.#groups.get(keys[i]!);
      if (holder !== undefined) return holder;
    }
    return undefined;
  }

  /** Its transaction went into the log. */
  hold(group: ScriptGroup): void {
    for (const { written } of group.effects) {
      for (let i = 0; i < written.length; i++) this.#groups.set(written[i]!.key, group);
    }
  }

  /** Its transaction is over. */
  letGo(group: ScriptGroup): void {
    for (const { written } of group.effects) {
      for (let i = 0; i < written.length; i++) {
        const { key } = written[i]!;
        if (this.#groups.get(key) === group) this.#groups.delete(key);
      }
    }
  }

  clear(): void {
    this.#groups.clear();
  }
}
