/** Holding the cluster version back: by a flag or by the cluster file. */
import { assertEquals, assertMatch } from "@std/assert";
import { serveSettings } from "../../lib/cli/settings.ts";
import { configFaults, parseConfig } from "../../lib/config.ts";
import type { HostProcess } from "../../lib/host/process.ts";

const FILE = {
  path: "d",
  servers: [{ id: 1, hostname: "localhost", clientPort: 1, logPort: 2 }],
};

function holds(file: object, flags: { holdClusterVersion?: boolean }): boolean | undefined {
  const unused = () => {
    throw new Error("It is not asked for this");
  };
  const host: HostProcess = {
    args: [],
    environment: () => undefined,
    readTextFile: () => JSON.stringify(file),
    errorIsTerminal: false,
    writeOut: unused,
    writeError: unused,
    onSignal: unused,
    onUncaughtError: unused,
    exit: unused,
  };
  const given = { id: 1, config: "c.json", ...flags };
  return serveSettings(given, host).config.holdClusterVersion;
}

Deno.test("the cluster version is held back by the flag or the file, and by neither it is not", () => {
  assertEquals(holds(FILE, {}), undefined);
  assertEquals(holds(FILE, { holdClusterVersion: true }), true);
  assertEquals(holds({ ...FILE, holdClusterVersion: true }, {}), true);
  assertEquals(holds({ ...FILE, holdClusterVersion: false }, {}), false);
  assertEquals(holds({ ...FILE, holdClusterVersion: false }, { holdClusterVersion: true }), true);
});

Deno.test("config: holdClusterVersion is true or false", () => {
  assertEquals(parseConfig(JSON.stringify(FILE), "c").holdClusterVersion, undefined);
  const faults = configFaults(JSON.stringify({ ...FILE, holdClusterVersion: "yes" }));
  assertEquals(faults.length, 1);
  assertMatch(faults[0]!, /^holdClusterVersion: "yes" is neither true nor false/);
});
