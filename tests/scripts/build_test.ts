import { assertEquals, assertMatch } from "@std/assert";
import { ENVIRONMENT } from "../../lib/host/process.ts";

const SCRIPTS = new URL("../../scripts/", import.meta.url).pathname;

async function bash(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command("bash", { args }).output();
  const text = new TextDecoder();
  return { code, out: text.decode(stdout), error: text.decode(stderr) };
}

Deno.test("build.sh: what it makes runs anywhere, whether executable or launcher", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "raftkv-build-" });
  try {
    const built = await bash(`${SCRIPTS}build.sh`, `${directory}/raftkv`);
    assertEquals(built.code, 0, built.error);
    const run = await new Deno.Command(`${directory}/raftkv`, { args: ["--version"], cwd: "/" })
      .output();
    assertEquals(run.code, 0);
    assertMatch(new TextDecoder().decode(run.stdout), /^\d+\.\d+\.\d+\n$/);
    const wrapper = await new Deno.Command(`${directory}/raftkv-run`, {
      args: ["--version"],
      cwd: "/",
    }).output();
    assertEquals([wrapper.code, wrapper.stdout], [0, run.stdout]);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("permissions.sh: raftkv-run has the network and programs, and nothing else", async () => {
  const { out } = await bash(
    "-c",
    `source ${SCRIPTS}permissions.sh; printf '%s\\n' "\${raftkv_run_permissions[@]}"`,
  );
  assertEquals(out.trim().split("\n"), ["--allow-net", "--allow-run", "--no-prompt"]);
});

Deno.test("permissions.sh: grants the environment variables that are read, and no programs", async () => {
  const { out } = await bash(
    "-c",
    `source ${SCRIPTS}permissions.sh; printf '%s\\n' "\${raftkv_permissions[@]}"`,
  );
  assertEquals(out.trim().split("\n"), [
    "--allow-net",
    "--allow-read",
    "--allow-write",
    `--allow-env=${ENVIRONMENT.join(",")}`,
    "--no-prompt",
  ]);
});
