/** How much a directory takes on its disk. */

export interface DirectoryBytes {
  /** What the files take: holes in them take nothing. */
  readonly allocated: number;
  /** The sum of the files' lengths, holes included. */
  readonly apparent: number;
  /** The length of the longest file. */
  readonly largest: number;
  readonly files: number;
}

const BLOCK_BYTES = 512;

/** All zero where there is no such directory. Files that vanish meanwhile count nothing. */
export function bytesUnder(directory: string): DirectoryBytes {
  let allocated = 0;
  let apparent = 0;
  let largest = 0;
  let files = 0;
  const visit = (path: string) => {
    for (const entry of Deno.readDirSync(path)) {
      const child = `${path}/${entry.name}`;
      try {
        if (entry.isDirectory) visit(child);
        else {
          const { size, blocks } = Deno.statSync(child);
          allocated += blocks === null ? size : blocks * BLOCK_BYTES;
          apparent += size;
          largest = Math.max(largest, size);
          files++;
        }
      } catch {
        // Removed since the directory was read.
      }
    }
  };
  try {
    visit(directory);
  } catch {
    // There is none yet.
  }
  return { allocated, apparent, largest, files };
}
