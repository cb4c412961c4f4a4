#!/usr/bin/env bash
# Becomes systemd, as process 1 of the namespaces that it is started in, over a copy of this machine's files
# that ends with it: systemd_root.sh DIRECTORY EXECUTABLE CLUSTER_FILE. Nothing of the machine is changed.
# To be started by: unshare --mount --pid --uts --ipc --cgroup --net --fork --kill-child
set -euo pipefail
directory=$1 executable=$2 cluster=$3
deploy=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../deploy/systemd" && pwd)

mount --make-rprivate /
mount -t tmpfs tmpfs "$directory"
mkdir "$directory/upper" "$directory/work" "$directory/root"
mount -t overlay overlay "$directory/root" \
  -o "lowerdir=/,upperdir=$directory/upper,workdir=$directory/work"
cd "$directory/root"

# As deploy/systemd/raftkv@.service says.
install -D -m 755 "$executable" usr/local/bin/raftkv
install -D -m 644 "$deploy/raftkv.sysusers.conf" etc/sysusers.d/raftkv.conf
install -D -m 644 "$cluster" etc/raftkv/cluster.json
install -D -m 644 "$deploy/raftkv@.service" "etc/systemd/system/raftkv@.service"

# Of the kernel's files, what a container gets: nothing here can change the machine's.
mount -t proc proc proc
mount -o bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
  touch "dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t cgroup2 cgroup2 sys/fs/cgroup
ip link set lo up

mkdir -p run/old
pivot_root . run/old
umount -l run/old
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd \
  --unit=basic.target --log-target=null --show-status=no </dev/null
