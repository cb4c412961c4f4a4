/** A process of somebody else's program, in a directory of its own that goes with it. */

export class ForeignProcess {
  readonly directory: string;
  readonly child: Deno.ChildProcess;
  readonly #onUnload = () => this.#kill();

  /** `args` gets the directory. */
  constructor(program: string, args: (directory: string) => string[], parent: string | undefined) {
    this.directory = Deno.makeTempDirSync({
      prefix: `${program.split("/").at(-1)}-bench-`,
      ...(parent === undefined ? {} : { dir: parent }),
    });
    this.child = new Deno.Command(program, {
      args: args(this.directory),
      cwd: this.directory,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    globalThis.addEventListener("unload", this.#onUnload);
  }

  async stop(): Promise<void> {
    globalThis.removeEventListener("unload", this.#onUnload);
    this.#kill();
    await this.child.status;
    Deno.removeSync(this.directory, { recursive: true });
  }

  #kill(): void {
    try {
      this.child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  }
}

/** True where `program` can be started on this machine. */
export async function isInstalled(program: string): Promise<boolean> {
  try {
    await new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" })
      .output();
    return true;
  } catch {
    return false;
  }
}
