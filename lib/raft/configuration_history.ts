/**
 * Which configuration is in effect: the newest one in the log, committed or not (thesis §4.1). Older ones
 * are kept so that a truncation brings them back and a snapshot can be given the one of its position;
 * compaction drops those that it covers but the newest of them.
 */
import { isVoter } from "./configuration.ts";
import { decodeConfiguration } from "./configuration_codec.ts";
import { ENVELOPE_BYTES } from "./envelope.ts";
import { assert } from "../util/assert.ts";
import {
  type Configuration,
  type Entry,
  EntryKind,
  type Incarnation,
  type Member,
  type ServerId,
} from "./types.ts";

export interface ConfigurationVersion {
  /** The index of its entry; for the first one that of the snapshot. */
  readonly index: number;
  readonly configuration: Configuration;
  /** Of each member that is described. */
  readonly incarnations: ReadonlyMap<ServerId, Incarnation>;
}

/** True where `id` votes by that configuration, and no other life of it is meant. */
export function votesBy(
  version: ConfigurationVersion,
  id: ServerId,
  incarnation: Incarnation | null,
): boolean {
  return isVoter(version.configuration, id) && !meansOtherLife(version, id, incarnation);
}

/** True where that configuration means another life of `id` (null: its life is not known, nor doubted). */
function meansOtherLife(
  { incarnations }: ConfigurationVersion,
  id: ServerId,
  incarnation: Incarnation | null,
): boolean {
  const meant = incarnations.get(id);
  return incarnation !== null && meant !== undefined && meant !== incarnation;
}

export class ConfigurationHistory {
  readonly versions: ConfigurationVersion[] = [];
  /** The one in effect. A field, as it is asked for with every message and in every turn. */
  newest!: ConfigurationVersion;

  readonly #founders: readonly Member[];

  /** `founders`: who the members are of a configuration that does not describe them. */
  constructor(index: number, configuration: Configuration, founders: readonly Member[] = []) {
    this.#founders = founders;
    this.#push(index, configuration);
  }

  #push(index: number, configuration: Configuration): void {
    const members = configuration.members.length > 0 ? configuration.members : this.#founders;
    const incarnations = new Map(members.map((member) => [member.id, member.incarnation]));
    this.newest = { index, configuration, incarnations };
    this.versions.push(this.newest);
  }

  get current(): Configuration {
    return this.newest.configuration;
  }

  /** The index of the entry of the current configuration. */
  get currentIndex(): number {
    return this.newest.index;
  }

  /**
   * True where `incarnation` is not the life of `id` that the current configuration means: what it
   * says counts for nothing (null: its life is not known, nor doubted).
   */
  isOtherLife(id: ServerId, incarnation: Incarnation | null): boolean {
    return meansOtherLife(this.newest, id, incarnation);
  }

  /** The configuration in effect at `index`, and all after it, oldest first. */
  from(index: number): ConfigurationVersion[] {
    const first = this.versions.findLastIndex((known) => known.index <= index);
    return this.versions.slice(Math.max(0, first));
  }

  /** Takes up the configurations among `entries`; true where there was one. */
  append(entries: readonly Entry[]): boolean {
    let changed = false;
    for (const { index, data } of entries) {
      if (data[0] !== EntryKind.configuration) continue;
      const configuration = decodeConfiguration(data.subarray(ENVELOPE_BYTES));
      this.#push(index, configuration);
      changed = true;
    }
    return changed;
  }

  /** The configuration as of `index`. */
  at(index: number): Configuration {
    const ruling = this.versions.findLast((known) => known.index <= index);
    assert(ruling !== undefined, `The configuration at ${index} is forgotten`);
    return ruling.configuration;
  }

  /** Forgets the configurations that were in effect only before `index`. */
  compact(index: number): void {
    while (this.versions.length > 1 && this.versions[1]!.index <= index) this.versions.shift();
  }

  /** Starts again with the configuration of a snapshot that ends at `index`. */
  restart(index: number, configuration: Configuration): void {
    this.versions.length = 0;
    this.#push(index, configuration);
  }

  /** Forgets the configurations at `from` and after it; the first one always stays. */
  truncate(from: number): void {
    while (this.versions.length > 1 && this.versions[this.versions.length - 1]!.index >= from) {
      this.versions.pop();
    }
    this.newest = this.versions[this.versions.length - 1]!;
  }
}
