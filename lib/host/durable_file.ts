/**
 * A new file that appears under its name only when it is whole and durable: it is written under another
 * name beside it, synced, renamed, and its directory is synced.
 */
import { type OutputStream, StreamError } from "./console.ts";
import { reasonOf } from "./system_errors.ts";

export interface DurableFile extends OutputStream {
  /** Makes it durable and gives it its name. @throws {StreamError} in words; nothing is left then. */
  finish(): Promise<void>;
  /** Without `finish` before it: nothing is left. */
  close(): void;
}

/**
 * Begins the file; one that is there under its name is refused, so that nothing is lost.
 * @throws {Error} in words.
 */
export function createDurableFile(path: string): DurableFile {
  checkFree(path);
  const temporary = `${path}.${Deno.pid}.part`;
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(temporary, { write: true, createNew: true, mode: 0o600 });
  } catch (error) {
    throw new Error(`Cannot create ${path}: ${reasonOf(path, error)}`, { cause: error });
  }
  let isOpen = true;
  /** The name that it has by now. */
  let name = temporary;
  const close = () => {
    if (!isOpen) return;
    isOpen = false;
    file.close();
  };
  const abandon = () => {
    if (!isOpen) return;
    close();
    Deno.removeSync(name);
  };
  const failed = (error: unknown) => {
    abandon();
    return new StreamError(`Cannot write ${path}: ${reasonOf(path, error)}`, { cause: error });
  };
  return {
    async write(bytes) {
      try {
        let written = 0;
        while (written < bytes.length) written += await file.write(bytes.subarray(written));
      } catch (error) {
        throw failed(error);
      }
    },
    async finish() {
      try {
        await file.sync();
        checkFree(path);
        Deno.renameSync(temporary, path);
        name = path;
        const directory = path.slice(0, path.lastIndexOf("/") + 1) || ".";
        const parent = await Deno.open(directory);
        try {
          await parent.sync();
        } finally {
          parent.close();
        }
        close();
      } catch (error) {
        throw failed(error);
      }
    },
    close: abandon,
  };
}

function checkFree(path: string): void {
  try {
    Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw new Error(`Cannot create ${path}: ${reasonOf(path, error)}`, { cause: error });
  }
  throw new Error(
    `Cannot create ${path}: there is such a file already; name another, or remove it first`,
  );
}

/** Standard output as such a file: what was written to it can't be taken back. */
export function asDurable(out: OutputStream): DurableFile {
  return { write: (bytes) => out.write(bytes), finish: () => Promise.resolve(), close: () => {} };
}
