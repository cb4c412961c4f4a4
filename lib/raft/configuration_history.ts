/**
 * Which configuration is in effect: the newest one in the log, committed or not (thesis §4.1). Older ones
 * are kept so that a truncation brings them back and a snapshot can be given the one of its position;
 * compaction drops those that it covers but the newest of them.
 */
import { decodeConfiguration } from "./configuration_codec.ts";
import { ENVELOPE_BYTES } from "./envelope.ts";
import { assert } from "../util/assert.ts";
import { type Configuration, type Entry, EntryKind } from "./types.ts";

interface ConfigurationVersion {
  /** The index of its entry; for the first one that of the snapshot. */
  readonly index: number;
  readonly configuration: Configuration;
}

export class ConfigurationHistory {
  readonly versions: ConfigurationVersion[];

  constructor(index: number, configuration: Configuration) {
    this.versions = [{ index, configuration }];
  }

  get current(): Configuration {
    return this.versions[this.versions.length - 1]!.configuration;
  }

  /** Takes up the configurations among `entries`; true where there was one. */
  append(entries: readonly Entry[]): boolean {
    let changed = false;
    for (const { index, data } of entries) {
      if (data[0] !== EntryKind.configuration) continue;
      const configuration = decodeConfiguration(data.subarray(ENVELOPE_BYTES));
      this.versions.push({ index, configuration });
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
    this.versions.push({ index, configuration });
  }

  /** Forgets the configurations at `from` and after it; the first one always stays. */
  truncate(from: number): void {
    while (this.versions.length > 1 && this.versions[this.versions.length - 1]!.index >= from) {
      this.versions.pop();
    }
  }
}
