/** Disks whose writes and flushes are logged, as block devices with a file system mounted. */
import {
  attachLoop,
  type FileSystem,
  mount,
  onTakeDown,
  output,
  takeDown,
} from "../disks/file_systems.ts";

const PROGRAM = new URL("logged_disks.ts", import.meta.url).pathname;

/** The program of logged_disks.ts, serving some images. */
export class DiskDaemon {
  readonly logPath: string;
  readonly #directory: string;
  readonly #child: Deno.ChildProcess;

  private constructor(directory: string, logPath: string, child: Deno.ChildProcess) {
    this.#directory = directory;
    this.logPath = logPath;
    this.#child = child;
  }

  /** `directory` is made, and must not be there. */
  static async start(
    directory: string,
    logPath: string,
    images: readonly string[],
  ): Promise<DiskDaemon> {
    Deno.mkdirSync(directory);
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--allow-all", PROGRAM, directory, logPath, ...images],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    onTakeDown(directory, () => {
      // It blocks in the kernel: unmounting ends its wait, and with it the program.
      output("umount", "-l", directory);
      child.kill("SIGKILL");
    });
    const reader = child.stdout.getReader();
    const { done } = await reader.read();
    await reader.cancel();
    if (done) throw new Error("The logged disks did not start");
    return new DiskDaemon(directory, logPath, child);
  }

  /** Where the log ends now. */
  get position(): number {
    return Deno.statSync(this.logPath).size;
  }

  /** The file of disk `number`, from 1 on. */
  disk(number: number): string {
    return `${this.#directory}/disk-${number}`;
  }

  async stop(): Promise<void> {
    try {
      takeDown(this.#directory);
    } catch {
      // It has ended.
    }
    await this.#child.status;
    Deno.removeSync(this.#directory);
  }
}

/** File systems on the files in `files`, mounted on `<data>/1`, `<data>/2` and so on. */
export class Mounts {
  readonly #mounted: { at: string; device: string }[] = [];

  /** @throws {Error} with what the kernel said, where one can't be mounted; none is then. */
  constructor(kind: FileSystem, files: readonly string[], data: string) {
    try {
      files.forEach((file, i) => {
        const device = attachLoop(file, "--direct-io=on");
        const at = `${data}/${i + 1}`;
        this.#mounted.push({ at, device });
        mount(kind, device, at);
        Deno.chmodSync(at, 0o700);
      });
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  remove(): void {
    for (const { at, device } of this.#mounted.splice(0).reverse()) {
      takeDown(at);
      takeDown(device);
    }
  }
}
