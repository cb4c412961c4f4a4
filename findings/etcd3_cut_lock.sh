#!/usr/bin/env bash
# Guess: a client of etcd does not send a transaction again whose connection broke after it was sent: it
# may have been executed (etcd's own Go client takes care of that).
#
# What is so, in etcd3 1.1.2 from npm: it sends it again, without a word. "Take the lock if nobody has
# it" was executed, its reply got lost, the second one found the lock taken, and the user is told that
# somebody else has it. A cut put is executed twice.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need node "Node.js"
need etcdctl "Debian: etcd-client"
packages etcd3@1.1.2
etcd_port=$(free_port) proxy_port=$(free_port)
start_etcd "$etcd_port"

cat >"$work/client.mjs" <<'JS'
import net from "node:net";
import { Etcd3 } from "etcd3";

const [etcdPort, proxyPort] = process.argv.slice(2).map(Number);
/** Once armed: the next request goes to the server, its answer and the connection are cut off. */
let state = "open";
net.createServer((client) => {
  const server = net.connect(etcdPort, "127.0.0.1");
  client.on("data", (data) => {
    // Requests are longer than the frames by which HTTP/2 keeps a connection going.
    if (state === "armed" && data.length > 20) state = "sent";
    server.write(data);
  });
  server.on("data", (data) => {
    if (state !== "sent") return client.write(data);
    state = "cut";
    client.destroy();
    server.destroy();
  });
  for (const [one, other] of [[client, server], [server, client]]) {
    one.on("error", () => {});
    one.on("close", () => other.destroy());
  }
}).listen(proxyPort, "127.0.0.1");

const cut = async (call) => {
  state = "armed";
  const answer = await call().catch((error) => error.message);
  if (state !== "cut") throw new Error(`The proxy has cut nothing: ${state}`);
  return answer;
};
const direct = new Etcd3({ hosts: [`127.0.0.1:${etcdPort}`] });
const client = new Etcd3({ hosts: [`127.0.0.1:${proxyPort}`] });
await client.put("warm").value("up");

const taken = await cut(() =>
  client.if("lock", "Version", "==", 0).then(client.put("lock").value("me")).commit()
);
console.log(`told ${taken.succeeded}, held by ${await direct.get("lock")}`);
await direct.put("key").value("old");
await cut(() => client.put("key").value("new"));
const { kvs } = await direct.get("key").exec();
console.log(`version ${kvs[0].version} after 2 puts`);
process.exit();
JS
mapfile -t lines < <(cd "$work" && timeout 60 node client.mjs "$etcd_port" "$proxy_port")
etcd --version | sed -n 1p
seen "a cut transaction that takes a lock" "${lines[0]-}" "told false, held by me"
seen "a cut put" "${lines[1]-}" "version 3 after 2 puts"
