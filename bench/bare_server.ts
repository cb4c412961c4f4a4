/**
 * The least that a server can do for a request: answers each piece that it reads with one fixed reply, in
 * one write, and looks at nothing. What TLS adds to it is what the runtime takes for TLS, whoever calls it.
 *
 *   deno run --allow-net --allow-read bench/bare_server.ts PORT VALUE_BYTES [CERT KEY]
 */
import { createServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";

function serve([port, valueBytes, cert, key]: string[]): void {
  // redis-benchmark's SET wants a reply, too, and takes any for one.
  const reply = new TextEncoder().encode(`$${valueBytes}\r\n${"x".repeat(Number(valueBytes))}\r\n`);
  const answer = (socket: Socket) => {
    socket.setNoDelay(true);
    socket.on("data", () => socket.write(reply));
    socket.on("error", () => socket.destroy());
  };
  const server = cert === undefined ? createServer(answer) : createTlsServer({
    cert: Deno.readTextFileSync(cert),
    key: Deno.readTextFileSync(key!),
  }, answer);
  server.listen(Number(port), "127.0.0.1");
}

if (import.meta.main) serve(Deno.args);
