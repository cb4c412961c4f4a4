/** Which variables there are where a script is read. */
import type { Local, Outer } from "./tree.ts";

/** What is known of a function while it is read. */
export class Scope {
  readonly parent: Scope | null;
  readonly isVariadic: boolean;
  readonly active: Local[] = [];
  readonly outers: Outer[] = [];
  slots = 0;
  loops = 0;

  constructor(parent: Scope | null, isVariadic: boolean) {
    this.parent = parent;
    this.isVariadic = isVariadic;
  }

  declare(name: string): Local {
    const local = { name, slot: this.slots++, isShared: false };
    this.active.push(local);
    return local;
  }

  find(name: string): Local | null {
    for (let i = this.active.length - 1; i >= 0; i--) {
      if (this.active[i]!.name === name) return this.active[i]!;
    }
    return null;
  }

  /** The place of a variable of the functions around this one; -1 where none has it. */
  outer(name: string): number {
    const known = this.outers.findIndex((one) => one.name === name);
    if (known >= 0 || this.parent === null) return known;
    const local = this.parent.find(name);
    if (local !== null) {
      local.isShared = true;
      return this.outers.push({ name, isLocal: true, index: local.slot }) - 1;
    }
    const index = this.parent.outer(name);
    return index < 0 ? -1 : this.outers.push({ name, isLocal: false, index }) - 1;
  }
}
