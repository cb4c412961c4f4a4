#!/usr/bin/env bash
# Guess: a log that is appended to and synced takes its length on the disk, and a block at its end; `du`
# and `ls -s` say how much.
#
# What is so: on ext4 and xfs. On btrfs it takes up to twice that, and neither of them shows it. A sync
# writes the block at the file's end anew, in another place, and the place where it was belongs to an
# extent that stays whole for as long as any of it is needed. Only `df` shows where the room went. Pieces
# that are whole blocks of 4 KiB take what they are.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
((EUID == 0)) || cannot_run "only root may mount"
need mkfs.btrfs "Debian: btrfs-progs"
need mkfs.xfs "Debian: xfsprogs"
need mkfs.ext4 "Debian: e2fsprogs"

pieces=1000

used_kib() {
  sync -f "$1"
  df -k --output=used "$1" | tail -n 1
}

# taken TYPE PIECE: appends pieces of PIECE bytes, each with a sync; prints what the file and the file
# system grew by, in percent of the file's length.
taken() {
  local image=$work/$1-$2.img mount=$work/$1-$2 before after length shown
  truncate -s 320M "$image"
  "mkfs.$1" "$image" >/dev/null 2>&1 || cannot_run "mkfs.$1 failed"
  mkdir "$mount"
  mount -o loop "$image" "$mount" || cannot_run "no loop devices here"
  # xfs gives what it took ahead back when the file is closed: see xfs_ahead.sh.
  before=$(used_kib "$mount")
  dd if=/dev/urandom of="$mount/log" bs="$2" count=$pieces oflag=dsync 2>/dev/null
  umount "$mount"
  mount -o loop "$image" "$mount"
  after=$(used_kib "$mount")
  length=$((pieces * $2 / 1024))
  shown=$(du -k "$mount/log" | cut -f 1)
  umount "$mount"
  echo "du $(((shown * 100 + length / 2) / length)) %, df $(((after - before) * 100 / length)) %"
}
echo "Linux $(uname -r), $(mkfs.btrfs --version | tail -n 1)"
seen "ext4, pieces of 5,000 bytes" "$(taken ext4 5000)" "du 100 %, df 1[0-1]? %"
seen "xfs, pieces of 5,000 bytes" "$(taken xfs 5000)" "du 100 %, df 1[0-1]? %"
seen "btrfs, pieces of 4,096 bytes" "$(taken btrfs 4096)" "du 100 %, df 1[0-2]? %"
seen "btrfs, pieces of 5,000 bytes" "$(taken btrfs 5000)" "du 100 %, df 1[7-9]? %"
