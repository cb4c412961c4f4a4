/**
 * btrfs counts on a write of 4 KiB to be there as a whole or not at all: its superblock has one checksum.
 * A sync changes the first 512 bytes of it alone, but a commit, as at each mount, changes more, and
 * where a cut tears that between sectors of 512 bytes, nothing mounts: the kernel looks at the first
 * copy only. No file of a server is at fault then, and no server can do anything about it.
 */

/** True where the first superblock of the btrfs in `image` does not match its checksum. */
export function isSuperblockTorn(image: string): boolean {
  const command = new Deno.Command("btrfs", {
    args: ["inspect-internal", "dump-super", image],
    stderr: "null",
  });
  const said = new TextDecoder().decode(command.outputSync().stdout);
  return /^csum\s.*\[DON'T MATCH\]/m.test(said);
}
