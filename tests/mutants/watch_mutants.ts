/** Bugs of watches (lib/node/watches/): each would have a client miss, or hear twice, what happened. */
import { type Mutant, mutant } from "./mutant.ts";

export const WATCHES: readonly Mutant[] = [
  mutant("watch-passes-over-lost", "A watch that is too slow goes on as if nothing had happened", [
    "node/watches/topic.ts",
    "    return found < history.start ? LOST : found;\n",
    "    return found < history.start ? NOTHING : found;\n",
  ]),
  mutant("watch-over-another-store", "A leader's snapshot replaces the store, and watches go on", [
    "node/watches/watches.ts",
    "      this.#begin(store);\n    }\n    const usersRevision",
    "      if (this.#kept === null) this.#begin(store);\n      this.#kept = store;\n" +
    "      store.tellChanges(this);\n    }\n    const usersRevision",
  ]),
  mutant("watch-resumes-too-early", "A watch that continues is told the last entry again", [
    "node/watches/history.ts",
    "        if (this.revision > revision) return position;\n",
    "        if (this.revision >= revision) return position;\n",
  ]),
];
