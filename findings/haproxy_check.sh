#!/usr/bin/env bash
# Guess: HAProxy's plain health check (`server ... check`) connects to the server, so a server's accept
# sees each of them, and a process that is frozen fails it.
#
# What is so, in HAProxy 2.6 on Linux: it resets the connection before the handshake is over, so the
# program never sees one; and since the kernel answers for whoever listens, a process that was stopped
# stays UP for ever. A check that asks something (here `tcp-check expect`) finds it DOWN.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need haproxy "Debian: haproxy"
need node "Node.js"
plain=$(free_port) asked=$(free_port) stats=$work/stats

cat >"$work/server.mjs" <<'JS'
import net from "node:net";

let accepted = 0;
const [plain, asked] = process.argv.slice(2).map(Number);
net.createServer((socket) => {
  accepted++;
  socket.on("error", () => {});
}).listen(plain, "127.0.0.1");
net.createServer((socket) => {
  socket.on("error", () => {});
  socket.write(`hello, ${accepted} accepted\n`);
}).listen(asked, "127.0.0.1");
JS
cat >"$work/haproxy.cfg" <<CONF
global
  stats socket $stats
defaults
  mode tcp
  timeout connect 1s
  timeout client 1s
  timeout server 1s
  timeout check 500ms
backend plain
  server one 127.0.0.1:$plain check inter 100ms fall 2
backend asked
  option tcp-check
  tcp-check expect string hello
  server one 127.0.0.1:$asked check inter 100ms fall 2
CONF
node "$work/server.mjs" "$plain" "$asked" &
server_pid=$!
started+=("$server_pid")
until_true listens "$asked"
haproxy -db -f "$work/haproxy.cfg" >"$work/haproxy.log" 2>&1 &
started+=("$!")

# state BACKEND: UP or DOWN.
state() {
  node -e '
    const socket = require("node:net").connect(process.argv[1]);
    let text = "";
    socket.on("data", (data) => text += data);
    socket.on("end", () => {
      const row = text.split("\n").map((line) => line.split(",")).find(([backend, server]) =>
        backend === process.argv[2] && server === "one");
      console.log(row[17].split(" ")[0]);
    });
    socket.end("show stat\n");
  ' "$stats" "$1"
}
is() { [[ $(state "$1") == "$2" ]]; }

until_true is plain UP
until_true is asked UP
sleep 2
accepted=$(head -n 1 <"/dev/tcp/127.0.0.1/$asked")
kill -STOP "$server_pid"
until_true is asked DOWN
sleep 2
frozen=$(state plain)
kill -CONT "$server_pid"
haproxy -v | sed -n 1p
seen "after 2 s of checks, ten a second" "$accepted" "hello, 0 accepted"
seen "frozen, with a plain check" "$frozen" "UP"
