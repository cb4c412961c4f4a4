/** The sources of the last build that users have, taken out of this clone's own history. */
import { PROJECT } from "./server_process.ts";
import { needsProgram } from "./requirements.ts";

/**
 * What clusters are upgraded from. Move it to the commit that a release is made of, once its users are
 * to be upgraded to what comes after: never to a commit that nobody runs.
 */
export const BUILD_BEFORE = "4a5e0f7cec941df1a4422e3b5129919758783752";

/** So small that snapshots are taken, and go from one build to the other, all the time. */
export const SMALL_STORAGE = {
  segmentBytesMax: 65_536,
  reserveBytes: 65_536,
  snapshotLogBytesMin: 49_152,
  snapshotSliceBytes: 8_192,
  snapshotChunkBytes: 16_384,
  logMemoryBytes: 16_384,
};

/** Null where this clone can give the build before; else why not: a shallow one has no history. */
export function needsBuildBefore(): string | null {
  const git = needsProgram("git", "--version");
  if (git !== null) return git;
  const found = needsProgram("git", "-C", PROJECT, "cat-file", "-e", `${BUILD_BEFORE}^{commit}`);
  return found === null ? null : `the commit ${BUILD_BEFORE.slice(0, 7)} is not in this clone`;
}

/** The build before, in a directory that goes when this is disposed of. */
export class BuildBefore implements Disposable {
  /** Ends with a slash. */
  readonly checkout: string;

  constructor() {
    this.checkout = `${Deno.makeTempDirSync({ prefix: "raftkv-before-" })}/`;
    const unpack = 'git -C "$0" archive "$1" main.ts lib deno.json deno.lock | tar -x -C "$2"';
    const { success, stderr } = new Deno.Command("bash", {
      args: ["-o", "pipefail", "-c", unpack, PROJECT, BUILD_BEFORE, this.checkout],
      stderr: "piped",
    }).outputSync();
    if (success) return;
    this[Symbol.dispose]();
    throw new Error(`Cannot unpack the build before: ${new TextDecoder().decode(stderr)}`);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.checkout, { recursive: true });
  }
}
