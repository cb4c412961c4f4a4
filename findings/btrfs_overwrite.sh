#!/usr/bin/env bash
# Guess: writing over bytes that a file already has, and that were synced, needs no free space: a log
# that writes over its old segments goes on when the disk is full.
#
# What is so: on ext4 and xfs. On btrfs each write goes to a new place, so it fails with "No space left
# on device" on a full disk, whatever the file already holds.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
((EUID == 0)) || cannot_run "only root may mount"
need mkfs.btrfs "Debian: btrfs-progs"
need mkfs.xfs "Debian: xfsprogs"
need mkfs.ext4 "Debian: e2fsprogs"

# overwritten TYPE: fills a file system, and says whether 8 MiB of a synced file can be written over.
overwritten() {
  local image=$work/$1.img mount=$work/$1 result
  truncate -s 400M "$image"
  "mkfs.$1" "$image" >/dev/null 2>&1 || cannot_run "mkfs.$1 failed"
  mkdir "$mount"
  mount -o loop "$image" "$mount" || cannot_run "no loop devices here"
  dd if=/dev/urandom of="$mount/log" bs=1M count=8 conv=fsync 2>/dev/null
  dd if=/dev/urandom of="$mount/filler" bs=64K 2>/dev/null || true
  sync -f "$mount"
  dd if=/dev/urandom of="$mount/filler2" bs=4K 2>/dev/null || true
  sync -f "$mount"
  if dd if=/dev/urandom of="$mount/log" bs=1M count=8 conv=notrunc,fsync 2>"$work/dd"; then
    result="written over"
  else
    result=$(grep -o "No space left on device" "$work/dd" | head -n 1)
  fi
  umount "$mount"
  echo "$result"
}
echo "Linux $(uname -r), $(mkfs.btrfs --version | tail -n 1)"
seen ext4 "$(overwritten ext4)" "written over"
seen xfs "$(overwritten xfs)" "written over"
seen btrfs "$(overwritten btrfs)" "No space left on device"
