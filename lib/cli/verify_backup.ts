/** `raftkv verify FILE`: reads a backup whole, and says what it is or which bytes of it are wrong. */
import { DenoDisk } from "../host/deno_disk.ts";
import { DiskError } from "../host/ports.ts";
import { openBackup } from "../storage/backups/backup_reader.ts";
import { BackupDamageError } from "../storage/errors.ts";
import { CliError, EXIT } from "./exit_codes.ts";
import { counted } from "./output/units.ts";

/**
 * Gives one line about the backup at `path` to `out`. Throws one sentence where anything is wrong, having
 * printed what.
 */
export function verifyBackup(path: string, out: (line: string) => void): void {
  const disk = new DenoDisk(path.startsWith("/") ? "/" : ".");
  try {
    const backup = openBackup(disk, path);
    try {
      while (backup.nextSection() !== null);
      const { about, head, position, bytes } = backup;
      const taken = new Date(about.takenMs).toISOString();
      out(
        `${path}: a backup of cluster ${about.clusterId} up to index ${position.index} (term ` +
          `${position.term}), taken ${taken} from server ${about.serverId} by raftkv ` +
          `${about.version}`,
      );
      out(`${path}: ${counted(head.keys, "key")}, ${bytes} bytes, all checksums are right`);
    } finally {
      backup.close();
    }
  } catch (error) {
    if (error instanceof DiskError) throw new CliError(EXIT.file, error.message, { cause: error });
    if (!(error instanceof BackupDamageError)) throw error;
    out(error.message);
    throw new Error(`${path}: 1 fault found`);
  }
}
