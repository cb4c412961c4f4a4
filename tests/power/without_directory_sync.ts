/** The program without syncs of directories: a control, see skip_syncs.ts. */
import { skipSyncs } from "./skip_syncs.ts";

skipSyncs("directories");
await import("../../main.ts");
