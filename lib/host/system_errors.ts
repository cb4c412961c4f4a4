/**
 * What the system refused, in words that say what to do. The runtime's own text is the name of a system
 * call with a number; which file is in the way, or whose it is, takes another look at the path.
 */

/** Half a sentence for an error about `path`. Looks at the file system only where a look says more. */
export function reasonOf(path: string, cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause instanceof Deno.errors.NotCapable) {
    return `the runtime does not permit it (${cause.message})`;
  }
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : "";
  return SENTENCES[code]?.(path) ?? withoutCall(cause.message);
}

const SENTENCES: Readonly<Record<string, (path: string) => string>> = {
  EACCES: mayNot,
  EPERM: mayNot,
  EEXIST: inTheWay,
  ENOTDIR: inTheWay,
  ELOOP: inTheWay,
  EISDIR: () => "it is a directory",
  ENOENT: () => "there is no such file or directory",
  EROFS: () => "its file system is mounted read-only: mount it for writing, or choose another path",
  ENAMETOOLONG: () => "the name is longer than the file system allows: choose a shorter path",
  EMFILE: () => "this process has too many files open: raise ulimit -n",
  ENFILE: () => "this machine has too many files open: raise fs.file-max",
  EIO: () => "the disk reports an input/output error: look at the system's log, and at the disk",
  ENODEV: () => "its device is gone",
  ESTALE: () => "its network file system is gone: mount it again",
  EBUSY: () => "the system keeps it busy: is it a mount point, or in use by another program?",
};

/** `Permission denied (os error 13): mkdir '/x'` without number, call and path. */
function withoutCall(message: string): string {
  return message.replace(/ \(os error \d+\).*$/s, "");
}

/** Whose the path is that may not be used: the nearest that can be looked at. */
function mayNot(path: string): string {
  for (const one of withParents(path).reverse()) {
    const info = look(() => Deno.statSync(one));
    if (info === null || info.uid === null || info.mode === null) continue;
    const owner = info.uid === 0 ? "root" : `user ${info.uid}`;
    const mode = (info.mode & 0o7777).toString(8).padStart(4, "0");
    const which = one === path ? "it" : one;
    return `permission denied: ${which} belongs to ${owner}, with mode ${mode}. Run this as that ` +
      "user, or give it to the user that runs this (chown, chmod)";
  }
  return "permission denied: run this as the user that it belongs to";
}

/** The first part of the path that is no directory, though it has to be one. */
function inTheWay(path: string): string {
  for (const one of withParents(path)) {
    if (look(() => Deno.statSync(one))?.isDirectory === true) continue;
    const itself = look(() => Deno.lstatSync(one));
    const which = one === path ? "it" : one;
    if (itself?.isSymlink === true) {
      return `${which} is a symbolic link that leads to no directory: mend it or remove it`;
    }
    if (itself !== null) {
      return `${which} is a file, and would have to be a directory: move it away, or choose ` +
        "another path";
    }
  }
  return "something else is in the way";
}

/** `a/b/c` as `a`, `a/b`, `a/b/c`. */
function withParents(path: string): string[] {
  const parts = path.split("/");
  return parts.map((_, at) => parts.slice(0, at + 1).join("/")).filter((one) => one !== "");
}

function look(at: () => Deno.FileInfo): Deno.FileInfo | null {
  try {
    return at();
  } catch {
    return null;
  }
}
