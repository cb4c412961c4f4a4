/** Backups of a small store, for tests. */
import { ExpiryKind, Op } from "../../lib/kv/commands/command.ts";
import { Result } from "../../lib/kv/commands/result.ts";
import { Store } from "../../lib/kv/store.ts";
import { BackupAssembly } from "../../lib/storage/backups/backup_assembly.ts";
import type { BackupHead } from "../../lib/storage/backups/backup_format.ts";
import { ByteWriter } from "../../lib/util/bytes.ts";
import { encodeCommand } from "../kv/model.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { batch, CLUSTER, entry, openFormed, persist, vote } from "./helpers.ts";
import { bodyOf, CONFIGURATION, settled } from "./snapshot_helpers.ts";

const SEED = 77;
export const POSITION = { index: 3, term: 2 };
export const HEAD: BackupHead = {
  clusterId: CLUSTER,
  serverId: 1,
  position: POSITION,
  takenMs: 1_700_000_000_123,
  hashSeed: SEED,
  version: "0.1.0",
};

/** A snapshot's body with some real records, one of which has a deadline. */
export function makeBody(): Uint8Array {
  const store = new Store({ hashSeed: SEED });
  for (let index = 1; index <= POSITION.index; index++) {
    store.beginEntry(index, index * 10);
    for (let i = 0; i < 4; i++) {
      const key = `key ${index} ${i}`;
      const never = { expiryKind: ExpiryKind.never, expiryMs: 0 };
      const expiry = i === 0 ? { expiryKind: ExpiryKind.relative, expiryMs: 90_000 } : never;
      const command = { op: Op.set, key, value: "v".repeat(i * 20), ...expiry } as const;
      store.applyCommand(encodeCommand(command), 0, new Result());
    }
    store.endEntry();
  }
  const disk = new SimDisk();
  const { directory, log } = openFormed(disk);
  persist(disk, log, batch(vote(2, 1), entry(1, 2), entry(2, 2), entry(3, 2)));
  const writer = directory.snapshots.begin(POSITION, CONFIGURATION);
  const snapshot = store.beginSnapshot();
  writer.head(snapshot.head);
  for (let isMore = true; isMore;) {
    const piece = new ByteWriter();
    isMore = snapshot.next(piece, 200);
    writer.records(piece.view());
  }
  snapshot.close();
  settled(disk, (done) => writer.finish(done));
  return bodyOf(directory, POSITION);
}

export function assemble(body: Uint8Array, pieceBytes: number, head = HEAD): Uint8Array {
  const out = new ByteWriter();
  const assembly = new BackupAssembly(head);
  out.raw(assembly.headBytes);
  for (let at = 0; at < body.length; at += pieceBytes) {
    const piece = body.subarray(at, at + pieceBytes);
    assembly.add(piece);
    out.raw(piece);
  }
  out.raw(assembly.finish());
  return out.copy();
}
