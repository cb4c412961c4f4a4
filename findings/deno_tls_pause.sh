#!/usr/bin/env bash
# Guess: a TLS socket of node:tls that is paused lets the system's buffers fill, so that a sender who is
# faster than its reader has to wait, as with node:net.
#
# What is so, in Deno 2.9.6: no bytes reach the program, and the runtime goes on reading: all that is
# sent is taken at once, and held in memory. With node:net the sender waits.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
packages deno@2.9.6
deno=$(find "$work/node_modules/@deno" -name deno -type f | sed -n 1p)
[[ -n $deno ]] || cannot_run "there is no Deno for this machine"
chmod +x "$deno"
version=$("$deno" --version 2>/dev/null | sed -n 1p) || cannot_run "deno does not run here"
command -v openssl >/dev/null || cannot_run "openssl is not installed"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost \
  -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null

# Sends 64 MiB to a socket that was paused at its first bytes, for 2 s; prints whether all were taken.
cat >"$work/program.ts" <<'TS'
import net from "node:net";
import tls from "node:tls";
const [kind, directory] = Deno.args;
const file = (name: string) => Deno.readTextFileSync(`${directory}/${name}.pem`);
const onConnection = (socket: net.Socket) => socket.once("data", () => socket.pause());
const server = kind === "tls"
  ? tls.createServer({ cert: file("cert"), key: file("key") }, onConnection)
  : net.createServer(onConnection);
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as net.AddressInfo;
  const begin = () => send(client, 256);
  const client: net.Socket = kind === "tls"
    ? tls.connect({ host: "127.0.0.1", port, rejectUnauthorized: false }, begin)
    : net.connect({ host: "127.0.0.1", port }, begin);
});
let left = Infinity;
function send(client: net.Socket, pieces: number) {
  left = pieces;
  if (pieces > 0) client.write(new Uint8Array(262_144), () => send(client, pieces - 1));
}
setTimeout(() => {
  console.log(left === 0 ? "all taken" : "the sender waits");
  Deno.exit(0);
}, 2_000);
TS
echo "$version"
for kind in net tls; do
  said=$("$deno" run --no-config --quiet --allow-net --allow-read "$work/program.ts" $kind "$work")
  [[ $kind == net ]] && wanted="the sender waits" || wanted="all taken"
  seen "node:$kind, paused" "$said" "$wanted"
done
