/** Whether the program that the tests start can do TLS; an executable may be built with another Deno. */
import { versionFault } from "../../lib/host/tls/runtime.ts";
import { programCommand } from "./server_process.ts";

/** Why there is no TLS here; null where there is. */
export function needsTls(): string | null {
  return versionFault() ?? programFault();
}

/** What an executable says of TLS, where the tests run one. */
function programFault(): string | null {
  if ((Deno.env.get("RAFTKV_EXECUTABLE") ?? "") === "") return null;
  const directory = Deno.makeTempDirSync({ prefix: "raftkv-test-" });
  try {
    const servers = [{ id: 1, hostname: "127.0.0.1", clientPort: 1, logPort: 2 }];
    const tls = { cert: "none.pem", key: "none.key", ca: "none.pem" };
    const file = `${directory}/cluster.json`;
    Deno.writeTextFileSync(file, JSON.stringify({ path: "data", servers, tls }));
    const [program, ...args] = programCommand(undefined);
    const options = { args: [...args, "--id", "1"], cwd: directory };
    const { stderr } = new Deno.Command(program!, options).outputSync();
    return /TLS needs Deno [\d.]+/.exec(new TextDecoder().decode(stderr))?.[0] ?? null;
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}
