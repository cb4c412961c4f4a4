/** Whose certificate it is, as both ends of a link between servers see it. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { certificateName, certificateRefusal } from "../../lib/node/peers/certificate_check.ts";
import { encodeRefusal, RefusalReason } from "../../lib/wire/rpc/rpc.ts";
import { ByteWriter } from "../../lib/util/bytes.ts";
import { form, heartbeat, type ShownNames, Wire } from "./linked_servers.ts";

Deno.test("certificates: one that has the server's own name is taken, whatever else it has", () => {
  assertEquals(certificateName(3), "raftkv-server-3");
  assertEquals(certificateRefusal(3, ["localhost", "raftkv-server-3", "raftkv-server-4"]), null);
  // Without TLS nobody was asked for one.
  assertEquals(certificateRefusal(3, undefined), null);
});

Deno.test("certificates: any other is refused, with both names", () => {
  for (const names of [[], ["raftkv-server-1"], ["raftkv-server-33"], ["xraftkv-server-3"]]) {
    const refused = certificateRefusal(3, names);
    if (refused === null) throw new Error(`${names} is taken`);
    assertEquals(refused.reason, RefusalReason.certificate);
    assertStringIncludes(refused.text, names[0] ?? "no name");
    assertStringIncludes(refused.text, "not for raftkv-server-3");
  }
  const long = certificateRefusal(3, Array(500).fill("n".repeat(250)))!;
  assert(long.text.length <= 256, `${long.text.length} characters`);
});

/** Servers 1 and 2 of a cluster that has formed; the first one connects anew. */
function connected(shown: ShownNames) {
  const { servers: [first, second], wires } = form(2);
  for (const wire of wires) wire.disconnect();
  first!.events.length = second!.events.length = 0;
  const wire = new Wire(first!, second!, shown);
  for (let i = 0; i < 4; i++) wire.pump();
  first!.links.send(heartbeat(1, 2));
  wire.pump();
  const reasons = [first!, second!].map(({ events }) =>
    events.map(({ fields }) => String(fields.reason ?? "")).join("; ")
  );
  return { received: second!.received.length, first: reasons[0]!, second: reasons[1]! };
}

Deno.test("certificates: two servers with their own ones talk to each other", () => {
  const { received } = connected({ from: ["raftkv-server-1"], to: ["raftkv-server-2"] });
  assertEquals(received, 1);
});

Deno.test("certificates: who connects with another's is refused, and both ends say why", () => {
  const shown = { from: ["raftkv-server-3"], to: ["raftkv-server-2"] };
  const { received, first, second } = connected(shown);
  assertEquals(received, 0);
  for (const said of [first, second]) {
    assertStringIncludes(said, "server 1 shows a certificate for raftkv-server-3");
  }
});

Deno.test("certificates: who answers with another's gets nothing", () => {
  const { received, first } = connected({ from: ["raftkv-server-1"], to: ["db.example"] });
  assertEquals(received, 0);
  assertStringIncludes(first, "server 2 shows a certificate for db.example");
});

Deno.test("certificates: who answers with another's is told nothing, and not believed", () => {
  const { servers: [first], wires } = form(2);
  for (const wire of wires) wire.disconnect();
  const { outbound } = wires.find((wire) => wire.outbound.peerId === 2)!;
  outbound.connected(["raftkv-server-3"]);
  assertEquals(outbound.takeOutput(), null);
  const out = new ByteWriter();
  encodeRefusal(out, RefusalReason.removed, "this server was removed from the cluster");
  outbound.receive(out.view());
  assertEquals(first!.removedBy, []);
  assertStringIncludes(outbound.closing!, "server 2 shows a certificate for raftkv-server-3");
  // The same words of the peer itself are believed.
  outbound.disconnected("reset");
  outbound.connected(["raftkv-server-2"]);
  outbound.receive(out.view());
  assertEquals(first!.removedBy, [2]);
});
