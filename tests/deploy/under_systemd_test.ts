/**
 * The unit under a real systemd, with all of its hardening: one that is process 1 of namespaces of its own
 * (systemd_root.sh), over a copy of this machine's files, with a network of its own.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { assert } from "../../lib/util/assert.ts";
import { eventually } from "../process/patience.ts";
import { needsLinux, needsProgram, needsRoot, testNamed, unmet } from "../process/requirements.ts";
import { PROJECT } from "../process/server_process.ts";

const ROOT_SCRIPT = new URL("systemd_root.sh", import.meta.url).pathname;
const NAMESPACES = ["--mount", "--pid", "--uts", "--ipc", "--cgroup", "--net"];
const CONFIG = ["--config", "/etc/raftkv/cluster.json"];
const ELF = "\x7fELF";
/** Longer than the unit's pause before a restart, on a busy machine. */
const RESTART_MS = 60_000;

/** A launcher runs this machine's Deno and sources, which the unit's hardening hides: see ProtectHome. */
function needsExecutable(): string | null {
  const path = Deno.env.get("RAFTKV_EXECUTABLE") ?? "";
  if (path === "") return "RAFTKV_EXECUTABLE names no executable";
  using file = Deno.openSync(path);
  const head = new Uint8Array(4);
  file.readSync(head);
  return new TextDecoder().decode(head) === ELF ? null : `${path} is a launcher`;
}

function needsPrograms(): string | null {
  const programs = ["/lib/systemd/systemd", "systemctl", "unshare", "nsenter"];
  return unmet(
    ...programs.map((name) => needsProgram(name, "--version")),
    needsProgram("ip", "-V"),
  );
}

interface Said {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/** A systemd that runs, and what is asked of it. */
class Systemd {
  readonly directory = Deno.makeTempDirSync({ prefix: "raftkv-systemd-" });
  readonly #unshare: Deno.ChildProcess;
  #pid = "";

  constructor(executable: string) {
    const cluster = `${PROJECT}cluster.example.json`;
    this.#unshare = new Deno.Command("unshare", {
      args: [
        ...NAMESPACES,
        "--fork",
        "--kill-child",
        ROOT_SCRIPT,
        this.directory,
        executable,
        cluster,
      ],
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
  }

  /** Runs a program beside systemd. */
  async run(...command: readonly string[]): Promise<Said> {
    const { code, stdout, stderr } = await new Deno.Command("nsenter", {
      args: ["--target", this.#pid, "--all", ...command],
    }).output();
    const decoder = new TextDecoder();
    return { code, out: decoder.decode(stdout).trim(), error: decoder.decode(stderr).trim() };
  }

  async ok(...command: readonly string[]): Promise<string> {
    const said = await this.run(...command);
    assertEquals(said.code, 0, `${command.join(" ")}: ${said.out}${said.error}`);
    return said.out;
  }

  /** A unit's properties as `systemctl show` has them. */
  async properties(unit: string): Promise<Record<string, string>> {
    const text = await this.ok("systemctl", "show", unit);
    return Object.fromEntries(
      text.split("\n").map((line) => {
        const at = line.indexOf("=");
        return [line.slice(0, at), line.slice(at + 1)];
      }),
    );
  }

  async started(): Promise<void> {
    const { pid } = this.#unshare;
    await eventually("systemd to be up", async () => {
      this.#pid = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim();
      if (this.#pid === "") return false;
      const { out } = await this.run("systemctl", "is-system-running");
      return /^(running|degraded)$/.test(out);
    }, RESTART_MS);
  }

  async [Symbol.asyncDispose]() {
    try {
      this.#unshare.kill("SIGKILL");
    } catch {
      // It has ended by itself, and said why on standard error.
    }
    await this.#unshare.status;
    // Its mounts go with its last process, a moment later.
    await eventually("the namespaces to end", () => {
      try {
        Deno.removeSync(this.directory, { recursive: true });
        return true;
      } catch {
        return false;
      }
    });
  }
}

async function isWell(systemd: Systemd): Promise<boolean> {
  return (await systemd.run("raftkv", "status", ...CONFIG)).code === 0;
}

Deno.test({
  ...testNamed(
    "deploy: under systemd with all hardening, three units serve, restart after a kill, stop in order",
    unmet(needsLinux(), needsRoot(), needsPrograms()) ?? needsExecutable(),
  ),
  async fn() {
    await using systemd = new Systemd(Deno.realPathSync(Deno.env.get("RAFTKV_EXECUTABLE")!));
    await systemd.started();
    await systemd.ok("systemd-sysusers");
    await systemd.ok("systemctl", "start", "raftkv@1", "raftkv@2", "raftkv@3");
    await eventually("three servers without a problem", () => isWell(systemd), RESTART_MS);
    await systemd.ok("raftkv", "set", "greeting", "hello", ...CONFIG);

    // What the unit promises of the process and its files.
    const { MainPID } = await systemd.properties("raftkv@1");
    const status = await systemd.ok("cat", `/proc/${MainPID}/status`);
    assertMatch(status, /^CapEff:\s0{16}$/m);
    assertMatch(status, /^NoNewPrivs:\s1$/m);
    assertMatch(status, /^Seccomp:\s2$/m);
    assert(!/^Uid:\s0\s/m.test(status), status);
    const limits = await systemd.ok("cat", `/proc/${MainPID}/limits`);
    assertMatch(limits, /^Max open files\s+16384\s+16384 /m);
    assertMatch(limits, /^Max core file size\s+0\s+0 /m);
    const modes = await systemd.ok(
      "stat",
      "--format=%a %U",
      "/var/lib/raftkv",
      "/var/lib/raftkv/1",
      "/var/lib/raftkv/1/identity",
    );
    assertEquals(modes.split("\n"), ["700 raftkv", "700 raftkv", "600 raftkv"]);

    await systemd.ok("systemctl", "kill", "--signal=SIGKILL", "raftkv@1");
    await eventually("server 1 to be started again", async () => {
      const { NRestarts, ActiveState } = await systemd.properties("raftkv@1");
      return NRestarts === "1" && ActiveState === "active" && await isWell(systemd);
    }, RESTART_MS);
    assertEquals(await systemd.ok("raftkv", "get", "greeting", ...CONFIG), "hello");

    await systemd.ok("systemctl", "stop", "raftkv@2");
    const { Result, ExecMainStatus, ActiveState } = await systemd.properties("raftkv@2");
    assertEquals([Result, ExecMainStatus, ActiveState], ["success", "0", "inactive"]);

    // A wrong environment is not tried again; a refused start is.
    await systemd.ok("sh", "-c", "echo RAFTKV_LOG=xml >/etc/default/raftkv");
    await systemd.ok("systemctl", "start", "raftkv@2");
    await eventually("the unit to have failed", async () => {
      const wrong = await systemd.properties("raftkv@2");
      return wrong["ActiveState"] === "failed" && wrong["ExecMainStatus"] === "2" &&
        wrong["NRestarts"] === "0";
    });
    await systemd.ok("rm", "/etc/default/raftkv");
    await systemd.ok("systemctl", "start", "raftkv@9");
    await eventually("a refused start to wait for its next try", async () => {
      const refused = await systemd.properties("raftkv@9");
      return refused["SubState"] === "auto-restart" && refused["ExecMainStatus"] === "1";
    });

    // Where the data's own disk can't be mounted, nothing starts on the empty directory below it.
    const mount = [
      "[Mount]",
      "What=tmpfs",
      "Where=/var/lib/raftkv",
      "Type=tmpfs",
      "Options=nofail,nonsense=1",
    ].join("\\n");
    await systemd.ok("sh", "-c", `printf '${mount}\\n' >/etc/systemd/system/var-lib-raftkv.mount`);
    await systemd.ok("systemctl", "daemon-reload");
    await systemd.ok("systemctl", "reset-failed", "raftkv@2");
    const { code, error } = await systemd.run("systemctl", "start", "raftkv@2");
    assertEquals(code, 1, error);
    assertMatch(error, /dependency/);
    assertEquals((await systemd.properties("raftkv@2"))["ActiveState"], "inactive");
  },
});
