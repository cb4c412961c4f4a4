/** deploy/systemd/: what systemd's own programs say of the unit, and what the unit has to agree with. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DEFAULT_LIMITS } from "../../lib/node/limits.ts";
import { needsProgram, testNamed } from "../process/requirements.ts";
import { read, unitOf } from "./deploy_files.ts";

const UNIT = "systemd/raftkv@.service";
/** In tenths, as systemd-analyze takes it; deploy/README.md has the figure. */
const EXPOSURE_MAX = 13;
/** An orderly stop of a server takes this long at most (docs/operating.md). */
const STOP_MS = 2_000;

/** Runs `systemd-analyze` on the unit, its program replaced by one that every machine has. */
function analyze(args: readonly string[], text = read(UNIT)) {
  const directory = Deno.makeTempDirSync({ prefix: "raftkv-unit-" });
  try {
    const file = `${directory}/raftkv@.service`;
    Deno.writeTextFileSync(file, text.replaceAll("/usr/local/bin/raftkv", "/bin/true"));
    const command = new Deno.Command("systemd-analyze", { args: [...args, file] });
    const { code, stdout, stderr } = command.outputSync();
    const decoder = new TextDecoder();
    return { code, out: decoder.decode(stdout), error: decoder.decode(stderr) };
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test({
  ...testNamed(
    "deploy: systemd-analyze verify has nothing to say of the unit",
    needsProgram("systemd-analyze", "--version"),
  ),
  fn() {
    // Its exit code is 0 for unknown keys and values that it can't read: what it prints counts.
    assertEquals(analyze(["verify"]), { code: 0, out: "", error: "" });
    const misspelt = read(UNIT).replace("MemoryHigh=", "MemoryHihg=");
    assertStringIncludes(analyze(["verify"], misspelt).error, "MemoryHihg");
  },
});

Deno.test({
  ...testNamed(
    `deploy: systemd-analyze security finds an exposure of ${EXPOSURE_MAX / 10} at most`,
    needsProgram("systemd-analyze", "--version"),
  ),
  fn() {
    const { code, out, error } = analyze([
      "security",
      "--offline=yes",
      `--threshold=${EXPOSURE_MAX}`,
    ]);
    assertEquals(code, 0, out + error);
  },
});

Deno.test("deploy: the unit's times, limits and exit codes agree with what a server does", () => {
  const unit = unitOf(UNIT);
  const one = (key: string) => {
    const values = unit.get(key) ?? [];
    assertEquals(values.length, 1, key);
    return values[0]!;
  };
  assertEquals(/^(\d+)s$/.test(one("Service.TimeoutStopSec")), true);
  assert(parseInt(one("Service.TimeoutStopSec")) * 1_000 >= 2 * STOP_MS);
  assertEquals(one("Service.KillSignal"), "SIGTERM");
  assertEquals(one("Service.Restart"), "on-failure");
  assertEquals(one("Service.RestartPreventExitStatus"), "2");
  assert(Number(one("Service.LimitNOFILE")) >= DEFAULT_LIMITS.connectionsMax + 50);
  assertEquals(unit.get("Service.MemoryDenyWriteExecute"), undefined, "the engine needs it");
  // The tries of a refused start have to fit into the interval, or they never end.
  const perTrySeconds = parseInt(one("Service.RestartSec")) + 1;
  const triesSeconds = Number(one("Unit.StartLimitBurst")) * perTrySeconds;
  const interval = /^(\d+)min$/.exec(one("Unit.StartLimitIntervalSec"))?.[1];
  assert(triesSeconds < Number(interval) * 60, `${triesSeconds} s of tries`);
  assertEquals(one("Unit.RequiresMountsFor"), `/var/lib/${one("Service.StateDirectory")}`);
  const [type, user] = /^u (\w+) /m.exec(read("systemd/raftkv.sysusers.conf")) ?? [];
  assert(type !== undefined);
  assertEquals(user, one("Service.User"));
});
