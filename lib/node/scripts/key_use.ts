/** A key that scripts of one batch have touched, and by which of their groups. */

export class KeyUse<Group> {
  readonly key: string;
  /** The version that is applied; 0: absent. */
  readonly version: number;
  /** Its time has come on this leader, and that is not applied yet. */
  readonly isDue: boolean;
  /** The last run that has touched it, and the last that has written it, by their numbers in the batch. */
  touchedIn = 0;
  writtenIn = 0;
  writer: Group | null = null;
  /** Mostly one: a set costs more than all else of a key. */
  #reader: Group | null = null;
  #others: Set<Group> | null = null;

  constructor(key: string, version: number, isDue: boolean) {
    this.key = key;
    this.version = version;
    this.isDue = isDue;
  }

  /** `group` has read it, or written it. */
  addReader(group: Group): void {
    if (this.#reader === group) return;
    if (this.#reader === null) this.#reader = group;
    else (this.#others ??= new Set()).add(group);
  }

  get isRead(): boolean {
    return this.#reader !== null;
  }

  addReadersTo(groups: Set<Group>): void {
    if (this.#reader !== null) groups.add(this.#reader);
    if (this.#others !== null) { for (const one of this.#others) groups.add(one); }
  }

  /** What `other` has done with it is `group`'s from now on. */
  moveTo(group: Group, other: Group): void {
    this.#others?.delete(other);
    if (this.#reader === other) this.#reader = null;
    if (this.writer === other) this.writer = group;
    this.addReader(group);
  }
}
