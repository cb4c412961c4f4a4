/**
 * Programs in Go for what TypeScript is too slow for, or has no client for. They are built with Debian's
 * golang-go and golang-etcd-server-dev.
 */

const GO = { GO111MODULE: "off", GOPATH: "/usr/share/gocode", GOFLAGS: "" };

/** Builds `source`, of this folder, into `directory`; the program's path. @throws {Error} without Go, too. */
export async function buildGo(source: string, directory: string): Promise<string> {
  const program = `${directory}/${source.replace(/\.go$/, "")}`;
  const path = new URL(source, import.meta.url).pathname;
  try {
    await run("go", ["build", "-o", program, path], GO);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(`${source} needs Debian's golang-go and golang-etcd-server-dev`, {
      cause: error,
    });
  }
  return program;
}

/** What the program prints. @throws {Error} with what it says where it fails. */
export async function run(program: string, args: string[], env = {}): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args, env }).output();
  if (!success) throw new Error(`${program} fails: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}
