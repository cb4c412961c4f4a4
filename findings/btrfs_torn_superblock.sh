#!/usr/bin/env bash
# Guess: a file system that copies on write comes back after any power cut, as long as the disk keeps what
# it was told to flush: what was under way is lost, whole or in part, and nothing points to it yet.
#
# What is so: the superblock is written in place. btrfs has one checksum for its 4 KiB, and a commit
# changes several sectors of it, so where a cut tears that one write between two sectors of 512 bytes
# (a disk of "512n" promises no more) the file system can't be mounted, although everything it points to
# is there: the kernel looks at the first copy alone. `btrfs rescue super-recover` takes the second.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
((EUID == 0)) || cannot_run "only root may mount"
need mkfs.btrfs "Debian: btrfs-progs"

image=$work/image mount=$work/mount
mkdir "$mount"
truncate -s 320M "$image"
mkfs.btrfs "$image" >/dev/null 2>&1 || cannot_run "mkfs.btrfs failed"

# superblock FILE: the first copy, in 8 sectors.
superblock() { dd if="$image" of="$1" bs=512 skip=128 count=8 2>/dev/null; }

# commit TEXT: one file more.
commit() {
  mount -o loop "$image" "$mount" || cannot_run "no loop devices here"
  echo "$1" >"$mount/$1"
  umount "$mount"
}

mounts() {
  if mount -o loop "$image" "$mount" 2>/dev/null; then
    echo "mounted, with: $(cd "$mount" && echo *)"
    umount "$mount"
  else
    echo "not mounted"
  fi
}

echo "Linux $(uname -r), $(mkfs.btrfs --version | tail -n 1)"
commit one
seen "as it is" "$(mounts)" "mounted, with: one"
superblock "$work/before"
commit two
superblock "$work/after"
changed=""
for sector in {0..7}; do
  cmp -s <(dd if="$work/before" bs=512 skip=$sector count=1 2>/dev/null) \
    <(dd if="$work/after" bs=512 skip=$sector count=1 2>/dev/null) || changed+="$sector "
done
seen "sectors of the superblock that a commit changes" "$changed" "0 ?*"
# The write that was torn: its first sector is there, the others are as they were.
dd if="$work/before" of="$image" bs=512 seek=129 skip=1 count=7 conv=notrunc 2>/dev/null
seen "with the last write of the superblock torn" "$(mounts)" "not mounted"
btrfs rescue super-recover -y "$image" >/dev/null 2>&1 || true
seen "after btrfs rescue super-recover" "$(mounts)" "mounted, with: one two"
