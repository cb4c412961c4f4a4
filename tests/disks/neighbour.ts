/**
 * A program that fills a volume beside a server: `neighbour.ts stops|greedy FILE`. It writes a line once
 * nothing fits any more. A greedy one goes on trying, and takes whatever becomes free.
 */
const [kind, path] = Deno.args;
const GREEDY_PAUSE_MS = 1;
const PIECES_BYTES = [1_048_576, 65_536, 4_096];

const file = Deno.openSync(path!, { write: true, create: true });
// No file system can compress it away.
const bytes = new Uint8Array(PIECES_BYTES[0]!);
for (let at = 0; at < bytes.length; at += 65_536) {
  crypto.getRandomValues(bytes.subarray(at, at + 65_536));
}

/** Writes until not even the smallest piece fits; where the disk says so only later, the sync hears. */
function fill(): void {
  for (const size of PIECES_BYTES) {
    try {
      while (file.writeSync(bytes.subarray(0, size)) > 0);
    } catch (error) {
      if (!/os error 28/.test((error as Error).message)) throw error;
    }
  }
}

fill();
file.syncSync();
fill();
console.log("full");
const wait = new Int32Array(new SharedArrayBuffer(4));
while (kind === "greedy") {
  fill();
  Atomics.wait(wait, 0, 0, GREEDY_PAUSE_MS);
}
