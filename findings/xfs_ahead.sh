#!/usr/bin/env bash
# Guess: a file that is appended to takes its length on the disk.
#
# What is so: on ext4 and btrfs, give or take its last blocks. On xfs it takes up to twice its length for
# as long as it is open: room is taken ahead of a file that grows, the more the longer it is. `du` and
# `df` count it. It is given back when the file is closed, and when the disk fills up, so a quota or an
# alert goes off for room that nothing needs.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
((EUID == 0)) || cannot_run "only root may mount"
need mkfs.btrfs "Debian: btrfs-progs"
need mkfs.xfs "Debian: xfsprogs"
need mkfs.ext4 "Debian: e2fsprogs"

# shown TYPE: what du says of a file of 40 MiB that is open, and once it is closed, in percent of that.
shown() {
  local image=$work/$1.img mount=$work/$1 open closed
  truncate -s 400M "$image"
  "mkfs.$1" "$image" >/dev/null 2>&1 || cannot_run "mkfs.$1 failed"
  mkdir "$mount"
  mount -o loop "$image" "$mount" || cannot_run "no loop devices here"
  exec {log}>"$mount/log"
  for ((i = 0; i < 40; i++)); do
    head -c 1M /dev/urandom >&"$log"
    sync -d "$mount/log"
  done
  open=$(du -k "$mount/log" | cut -f 1)
  exec {log}>&-
  sync -f "$mount"
  closed=$(du -k "$mount/log" | cut -f 1)
  umount "$mount"
  echo "open $((open * 100 / 40960)) %, closed $((closed * 100 / 40960)) %"
}
echo "Linux $(uname -r), $(mkfs.xfs -V)"
seen ext4 "$(shown ext4)" "open 100 %, closed 100 %"
seen btrfs "$(shown btrfs)" "open 100 %, closed 100 %"
seen xfs "$(shown xfs)" "open 1[4-9]? %, closed 100 %"
