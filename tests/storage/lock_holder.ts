/** Holds the lock of the directory in its first argument until it is killed; for deno_disk_test.ts. */
import { DenoDisk } from "../../lib/host/deno_disk.ts";

const disk = new DenoDisk(Deno.args[0]!);
await disk.prepareLock("1/lock");
console.log(disk.lock("1/lock") ? "locked" : "refused");
if (Deno.args[1] !== "stay") Deno.exit(0);
setInterval(() => {}, 1000);
