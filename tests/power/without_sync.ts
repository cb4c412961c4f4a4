/** The program on a disk that is never told to sync anything: a control, see skip_syncs.ts. */
import { skipSyncs } from "./skip_syncs.ts";

skipSyncs("all");
await import("../../main.ts");
