#!/usr/bin/env bash
# Guess: a call to a server that has stopped answering (a frozen process, a hung disk) ends with an error
# after some default time, as in the clients of Redis and of most databases.
#
# What is so, in etcd3 1.1.2 from npm: there is no deadline unless `defaultCallOptions` sets one. A put
# was still waiting after 15 s; with a deadline of 2 s it ends with an error.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need node "Node.js"
packages etcd3@1.1.2
port=$(free_port)
start_etcd "$port"

cat >"$work/client.mjs" <<'JS'
import { Etcd3 } from "etcd3";

const [port, pid] = process.argv.slice(2).map(Number);
const put = async (options, waitMs) => {
  const client = new Etcd3({ hosts: [`127.0.0.1:${port}`], ...options });
  await client.put("key").value("1");
  process.kill(pid, "SIGSTOP");
  const startMs = Date.now();
  const answer = await Promise.race([
    client.put("key").value("2").then(() => "done", () => "an error"),
    new Promise((resolve) => setTimeout(() => resolve("waiting"), waitMs)),
  ]);
  process.kill(pid, "SIGCONT");
  return `${answer} after ${Math.round((Date.now() - startMs) / 1000)} s`;
};
console.log(await put({}, 15_000));
console.log(await put({ defaultCallOptions: () => ({ deadline: Date.now() + 2_000 }) }, 15_000));
process.exit();
JS
mapfile -t lines < <(cd "$work" && timeout 60 node client.mjs "$port" "$etcd_pid")
etcd --version | sed -n 1p
seen "by default" "${lines[0]-}" "waiting after 15 s"
seen "with a deadline of 2 s" "${lines[1]-}" "an error after [2-9] s"
