/** One small volume for one server, with a known room, and a neighbour who fills it. */
import {
  attachLoop,
  availableBytes,
  type FileSystem,
  makeFileSystem,
  mount,
  onTakeDown,
  output,
  takeDown,
} from "./file_systems.ts";

const MIB = 1_048_576;
/** The least that every maker takes. */
const IMAGE_BYTES = 320 * MIB;
const NEIGHBOUR_PROGRAM = new URL("neighbour.ts", import.meta.url).pathname;

/** `stops`: once the volume is full. `greedy`: tries again for ever, and takes what becomes free. */
export type NeighbourKind = "stops" | "greedy";

export class Volume {
  readonly path: string;
  readonly #kind: FileSystem;
  readonly #image: string;
  #device: string | null = null;
  #neighbour: Deno.ChildProcess | null = null;

  /** Mounts a new volume at `path` in which `roomBytes` can be written; `image` is a file's name for it. */
  constructor(kind: FileSystem, path: string, image: string, roomBytes: number) {
    this.#kind = kind;
    this.path = path;
    this.#image = image;
    if (kind === "tmpfs") {
      mount(kind, "tmpfs", path, `size=${roomBytes}`);
      return;
    }
    Deno.createSync(image).close();
    Deno.truncateSync(image, IMAGE_BYTES);
    makeFileSystem(kind, image);
    this.#device = attachLoop(image);
    mount(kind, this.#device, path);
    this.#takeUp(roomBytes);
    Deno.chmodSync(path, 0o700);
  }

  /** A file takes all but `roomBytes`: file systems smaller than that behave in ways of their own. */
  #takeUp(roomBytes: number): void {
    const excess = availableBytes(this.path) - roomBytes;
    output("fallocate", "-l", `${excess}`, this.#ballast);
    output("sync", "-f", this.path);
  }

  get #ballast(): string {
    return `${this.path}/of-others`;
  }

  get #food(): string {
    return `${this.path}/neighbour`;
  }

  get availableBytes(): number {
    return availableBytes(this.path);
  }

  /** Starts a program that fills the volume; resolves once it met its end. */
  async startNeighbour(kind: NeighbourKind): Promise<void> {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--allow-write", "--allow-read", NEIGHBOUR_PROGRAM]
        .concat(kind, this.#food),
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#neighbour = child;
    onTakeDown(this.#food, () => child.kill("SIGKILL"));
    const reader = child.stdout.getReader();
    await reader.read();
    await reader.cancel();
  }

  /** Ends the neighbour and removes what it wrote. */
  async stopNeighbour(): Promise<void> {
    const child = this.#neighbour;
    if (child === null) return;
    this.#neighbour = null;
    try {
      takeDown(this.#food);
    } catch {
      // One that stops has ended.
    }
    await child.status;
    Deno.removeSync(this.#food);
  }

  async remove(): Promise<void> {
    await this.stopNeighbour();
    takeDown(this.path);
    if (this.#device === null) return;
    takeDown(this.#device);
    Deno.removeSync(this.#image);
  }
}
