// node cutting_proxy.mjs PORT TARGET: cuts the connection of the first INCR after the server has
// answered it and before the client has the answer.
import net from "node:net";

const [port, target] = process.argv.slice(2).map(Number);
let cuts = 0;

net.createServer((client) => {
  const server = net.connect(target, "127.0.0.1");
  let cutsAtAnswer = false;
  const end = () => {
    client.destroy();
    server.destroy();
  };
  for (const socket of [client, server]) socket.on("error", end).on("close", end);
  client.on("data", (bytes) => {
    if (cuts === 0 && /INCR(BY)?\r\n/i.test(bytes.toString("latin1"))) cutsAtAnswer = true;
    server.write(bytes);
  });
  server.on("data", (bytes) => {
    if (!cutsAtAnswer) return client.write(bytes);
    cuts++;
    end();
  });
}).listen(port, "127.0.0.1");
