/**
 * Takes one promise of the disk away from this process, for controls: a suite that finds no losses then
 * would find none at all. The product has no switch for it: its entry is wrapped (without_*.ts).
 */

/** From now on no sync does anything, or none of a directory. */
export function skipSyncs(which: "all" | "directories"): void {
  const directories = new WeakSet<Deno.FsFile>();
  if (which === "directories") {
    const { openSync } = Deno;
    Deno.openSync = (path, options) => {
      const file = openSync(path, options);
      if (file.statSync().isDirectory) directories.add(file);
      return file;
    };
  }
  const isSkipped = (file: Deno.FsFile) => which === "all" || directories.has(file);
  const file = Deno.FsFile.prototype;
  const { sync, syncSync, syncData, syncDataSync } = file;
  file.sync = function () {
    return isSkipped(this) ? Promise.resolve() : sync.call(this);
  };
  file.syncSync = function () {
    if (!isSkipped(this)) syncSync.call(this);
  };
  file.syncData = function () {
    return isSkipped(this) ? Promise.resolve() : syncData.call(this);
  };
  file.syncDataSync = function () {
    if (!isSkipped(this)) syncDataSync.call(this);
  };
}
