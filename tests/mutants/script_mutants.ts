/** Bugs of scripts (lib/node/scripts/), and the test that is meant to find each. */
import { type Mutant, mutant } from "./mutant.ts";
import { tested, type TestedMutant } from "./security_mutants.ts";

const NODE = "node/scripts_test.ts";
const SERIAL =
  "scripts: those of many clients on few keys come to what they come to one after the other";

export const SCRIPTS: readonly TestedMutant[] = [
  tested([
    "script-lost-done",
    "A script that lost is answered as if it had been done",
    NODE,
    SERIAL,
  ], [
    "node/scripts/script_group.ts",
    'if (status !== Status.list) return this.#end(() => "lost");',
    'if (status !== Status.list) return this.#end(() => "done");',
  ]),
  tested([
    "script-unwatched",
    "What a script has read may change before it is applied",
    NODE,
    SERIAL,
  ], [
    "node/scripts/script_group.ts",
    "    const touched = this.#touched();\n",
    "    const touched = this.#touched().slice(0, 0);\n",
  ]),
  tested([
    "script-store-kept",
    "A script sees what the one before it has touched",
    NODE,
    "scripts: what one has touched is not there for the next, if it has gone meanwhile",
  ], [
    "node/scripts/script_batch.ts",
    "      this.scratch.applyCommand(one.bytes, 0, result);\n    }\n",
    "      void result;\n    }\n",
  ]),
  tested([
    "script-stopped-kept",
    "What a script did before it was stopped is done",
    NODE,
    "scripts: nothing is done of one that takes more than it may",
  ], [
    "node/node_scripts.ts",
    "      if (!isKept) return this.#stopped(batch, reply);\n",
    "      void isKept;\n",
  ]),
  tested([
    "script-due-served",
    "A script that only reads says what no log knows yet",
    NODE,
    "scripts: a key whose time has come on the leader alone is neither served nor denied",
  ], [
    "node/node_scripts.ts",
    "store.hasWritten || store.hasSeenDue",
    "store.hasWritten",
  ]),
  tested([
    "script-keys-unjudged",
    "A script runs on keys that its user may not touch",
    NODE,
    "scripts: users run what they may, on keys that they may touch",
  ], [
    "node/scripts/script_queue.ts",
    '    const denial = request.kind === "eval" ? keyDenial(session, request) : 0;\n',
    '    const denial = request.kind === "eval" && keyDenial(session, request) < 0 ? 1 : 0;\n',
  ]),
  tested([
    "script-denied",
    "A leader denies a script before it knows that it has applied all",
    "node/loaded_scripts_test.ts",
    "loaded scripts: a leader that is cut off denies no script, and promises none",
  ], [
    "node/scripts/known_scripts.ts",
    "    if (!request.isByHash || request.isReadOnly || question.isConfirmed) return false;\n",
    '    if (!request.isByHash || request.script !== "") return false;\n',
  ]),
];

/** More, which the simulator has to find: about a third of the seeds run scripts. */
export const SIMULATED_SCRIPTS: readonly Mutant[] = [
  mutant("script-blind", "What a script has read may change before its writes are applied", [
    "node/scripts/script_group.ts",
    "    const touched = this.#touched();\n",
    "    const touched = this.#touched().slice(0, 0);\n",
  ]),
  mutant("script-unconfirmed", "A leader that may be none answers a script that wrote nothing", [
    "node/scripts/script_queue.ts",
    "      if (run.isConfirmed) return replyOf(reply);\n",
    "      if (run.losses < LOSSES_MAX) return replyOf(reply);\n",
  ]),
  mutant("script-early", "A script shows what another one wrote before that is applied", [
    "node/scripts/script_queue.ts",
    "    if (!isDecided && !hasSeenOthers) {\n",
    "    if (hasSeenOthers && !isDecided) return replyOf(reply);\n    if (!isDecided && !hasSeenOthers) {\n",
  ]),
  mutant("script-unkept", "A server that begins with a snapshot has no scripts", [
    "kv/store.ts",
    "    this.loadedScripts = restored?.loadedScripts ?? new LoadedScripts();",
    "    this.loadedScripts = new LoadedScripts();",
  ]),
  mutant("script-local", "What is loaded is known to the server alone that was asked", [
    "node/scripts/known_scripts.ts",
    "    if (areLogged) return loadedAnswer(",
    "    if (areLogged && userId > 1e9) return loadedAnswer(",
  ]),
];
