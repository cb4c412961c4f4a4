#!/usr/bin/env bash
# Guess: what a lease of etcd has left is counted by the cluster, so it goes on running out when the
# leader dies: after 15 of 30 s and a new leader, some 14 s are left.
#
# What is so, in etcd 3.4.23 (Debian 12): the new leader begins every lease anew, with its full time. A
# lock of a dead owner is held up to twice as long, and longer with each further change of leader.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need etcd "Debian: etcd-server"
need etcdctl "Debian: etcd-client"
export ETCDCTL_API=3
version=$(etcd --version | sed -n 1p)
[[ $version == *" 3.4.23" ]] || cannot_run "this is $version: the finding is of 3.4.23"

clients=() members=""
for i in 0 1 2; do
  clients[i]=http://127.0.0.1:$(free_port) peers[i]=http://127.0.0.1:$(free_port)
  members+="${members:+,}m$i=${peers[i]}"
done
for i in 0 1 2; do
  etcd --name "m$i" --data-dir "$work/m$i" --initial-cluster "$members" \
    --listen-client-urls "${clients[i]}" --advertise-client-urls "${clients[i]}" \
    --listen-peer-urls "${peers[i]}" --initial-advertise-peer-urls "${peers[i]}" \
    >"$work/m$i.log" 2>&1 &
  pids[i]=$!
  started+=("$!")
done
all=$(IFS=, && echo "${clients[*]}")
until_true etcdctl --endpoints "$all" put ready 1

leader() {
  local i status
  for i in 0 1 2; do
    status=$(etcdctl --endpoints "${clients[i]}" endpoint status 2>/dev/null || true)
    if [[ $status == *", true, false,"* ]]; then echo "$i"; fi
  done
}
left() {
  local text
  text=$(etcdctl --endpoints "$1" lease timetolive "$lease")
  [[ $text =~ remaining\(([0-9]+) ]] && echo "${BASH_REMATCH[1]}"
}

lease=$(etcdctl --endpoints "$all" lease grant 30 | cut -d ' ' -f 2)
sleep 15
before=$(left "$all")
dead=$(leader)
[[ $dead == [0-2] ]] || cannot_run "no leader is to be seen"
kill -KILL "${pids[dead]}"
unset "clients[$dead]"
rest=$(IFS=, && echo "${clients[*]}")
until_true etcdctl --endpoints "$rest" put ready 2
after=$(left "$rest")
echo "$version"
((before <= 15)) && old=counted || old=$before
((after >= 20)) && new=renewed || new=$after
seen "left of 30 s, 15 s after the grant ($before)" "$old" "counted"
seen "left of 30 s, under the next leader ($after)" "$new" "renewed"
