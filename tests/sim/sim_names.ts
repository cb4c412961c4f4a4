/**
 * The names of the simulated disk: as they are seen, and as they are durable. A change of names is
 * durable once its directory was synced; before, a power loss keeps it or not.
 */
import { assert } from "../../lib/util/assert.ts";
import type { Random } from "../../lib/util/random.ts";
import { SimInode } from "./sim_inode.ts";

export type SimNode = SimInode | "directory";

interface NameChange {
  readonly directory: string;
  /** The name that goes away, or null. */
  readonly from: string | null;
  /** The name that appears, or null. */
  readonly to: string | null;
  readonly node: SimNode | null;
}

export class SimNames {
  #visible = new Map<string, SimNode>();
  #durable = new Map<string, SimNode>();
  #pending: NameChange[] = [];

  has(path: string): boolean {
    return this.#visible.has(path);
  }

  get(path: string): SimNode | undefined {
    return this.#visible.get(path);
  }

  list(directory: string): string[] {
    const prefix = directory === "." ? "" : `${directory}/`;
    const names: string[] = [];
    for (const path of this.#visible.keys()) {
      const name = path.slice(prefix.length);
      if (path.startsWith(prefix) && !name.includes("/")) names.push(name);
    }
    return names.sort();
  }

  inodes(): SimInode[] {
    return [...this.#visible.values()].filter((node) => node instanceof SimInode);
  }

  files(): string[] {
    return [...this.#visible].filter(([, node]) => node !== "directory").map(([path]) => path)
      .sort();
  }

  add(path: string, node: SimNode): void {
    this.#change({ directory: parentOf(path), from: null, to: path, node });
  }

  /** A directory takes along what is in it; all of that has to be durable there. */
  rename(from: string, to: string): void {
    const node = this.#visible.get(from) ?? null;
    if (node === "directory") {
      const inside = (name: string) => name === from || name.startsWith(`${from}/`);
      const open = this.#pending.find(({ directory }) => inside(directory));
      assert(open === undefined, `${from} was renamed before what is in it was durable`);
    }
    this.#change({ directory: parentOf(to), from, to, node });
  }

  remove(path: string): void {
    this.#change({ directory: parentOf(path), from: path, to: null, node: null });
  }

  sync(directory: string): void {
    for (const change of this.#pending) {
      if (change.directory === directory) apply(this.#durable, change);
    }
    this.#pending = this.#pending.filter((change) => change.directory !== directory);
  }

  powerLoss(random: Random): void {
    for (const change of this.#pending) {
      if (random.chance(0.5)) apply(this.#durable, change);
    }
    this.#pending = [];
    // A directory that was lost takes with it what was in it.
    for (const path of [...this.#durable.keys()]) {
      const parent = parentOf(path);
      if (parent !== "." && !this.#durable.has(parent)) this.#durable.delete(path);
    }
    this.#visible = new Map(this.#durable);
  }

  /** Takes a name away, with all below it, for good: no change that is not durable brings it back. */
  vanish(path: string): void {
    const isGone = (name: string | null) =>
      name !== null && (name === path || name.startsWith(`${path}/`));
    for (const key of [...this.#visible.keys(), ...this.#durable.keys()]) {
      if (!isGone(key)) continue;
      this.#visible.delete(key);
      this.#durable.delete(key);
    }
    for (const { from, to } of this.#pending) {
      if (isGone(to) && from !== null) this.#durable.delete(from);
    }
    this.#pending = this.#pending.filter(({ to }) => !isGone(to));
  }

  copyFrom(other: SimNames): void {
    const copies = new Map<SimNode, SimNode>();
    const copy = (node: SimNode): SimNode => {
      if (node === "directory") return node;
      const found = copies.get(node) ?? node.copy();
      copies.set(node, found);
      return found;
    };
    for (const [path, node] of other.#visible) this.#visible.set(path, copy(node));
    for (const [path, node] of other.#durable) this.#durable.set(path, copy(node));
    this.#pending = other.#pending.map((change) => ({
      ...change,
      node: change.node === null ? null : copy(change.node),
    }));
  }

  #change(change: NameChange): void {
    apply(this.#visible, change);
    this.#pending.push(change);
  }
}

function apply(names: Map<string, SimNode>, change: NameChange): void {
  const { from, to, node } = change;
  if (from !== null) names.delete(from);
  if (to !== null && node !== null) names.set(to, node);
  if (from === null || to === null || node !== "directory") return;
  for (const [path, inside] of [...names]) {
    if (!path.startsWith(`${from}/`)) continue;
    names.delete(path);
    names.set(to + path.slice(from.length), inside);
  }
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash === -1 ? "." : path.slice(0, slash);
}
