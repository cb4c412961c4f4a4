/** What a connection between servers is for, as who makes it says in its hello. */
import { Feature, ForwardPurpose, type Hello } from "../../wire/rpc/rpc.ts";
import type { HandshakeOwner } from "../peers/outbound_handshake.ts";

/** The same owner of links, whose hellos say that the connection is for forwarded commands. */
export function forwardHello(links: HandshakeOwner): HandshakeOwner {
  const value = Uint8Array.of(ForwardPurpose.commands);
  return {
    secret: links.secret,
    protocolVersionMax: links.protocolVersionMax,
    check: (hello) => links.check(hello),
    hello: (to, protocolVersion): Hello => {
      const hello = links.hello(to, protocolVersion);
      return { ...hello, features: new Map([...hello.features, [Feature.forward, value]]) };
    },
  };
}
