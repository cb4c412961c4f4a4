/**
 * Whether this runtime can do what TLS is for here. Before 2.7.14 Deno's node:tls took a server's demand
 * for certificates and let everybody in, showed none of a client's own, kept Nagle's delay, and could not
 * exchange a certificate while it listens. Before 2.8.3 it asked for no keep-alive, though told to, so a
 * machine that was gone without a word kept its connections; 2.7.14 trusted DENO_CERT beside a `ca`.
 */
import { connect, createServer } from "node:tls";
import type { AddressInfo } from "node:net";
import { contextOf, type Credentials } from "./credentials.ts";

/** The first version that passes what is tried below. */
const FIRST = [2, 8, 3];
/** A handshake on this machine's loopback takes milliseconds. */
const TRIAL_MS = 5_000;

/** A sentence where this version is too early; `version` as Deno.version has it. */
export function versionFault(version: string = Deno.version.deno): string | null {
  const parts = version.split(".").map((part) => parseInt(part, 10));
  for (const [at, least] of FIRST.entries()) {
    const part = parts[at] ?? 0;
    if (part > least) return null;
    if (part < least) {
      return `TLS needs Deno ${
        FIRST.join(".")
      } or later, and this server runs on Deno ${version}, ` +
        "which asks for certificates and lets everybody in, or keeps connections whose other " +
        "end is gone";
    }
  }
  return null;
}

/**
 * A sentence where a client without a certificate is let in though one is asked for: tried by a
 * connection on the loopback, whatever the version says.
 */
export async function demandFault(credentials: Credentials): Promise<string | null> {
  if (await shakeHands(credentials) !== null) return null;
  return `this runtime (Deno ${Deno.version.deno}) lets clients in without the certificate that ` +
    `is asked for: run this server with Deno ${FIRST.join(".")} or later`;
}

/**
 * Half a sentence where no handshake comes about with this certificate and key: they can be read and
 * belong together, and the runtime still can't use them (a short key, a curve that TLS doesn't know). Tried
 * by a connection on the loopback.
 */
export async function handshakeFault(credentials: Credentials): Promise<string | null> {
  let why: string | null;
  try {
    why = await shakeHands({ ...credentials, requestCert: false });
  } catch (error) {
    why = (error as Error).message;
  }
  return why === null ? null : `it can't be used for TLS, a handshake with it failed: ${why}`;
}

/**
 * Tries a handshake with a client that shows no certificate and takes any: null where the client was let
 * in, otherwise why not. Rejects where there was no trial.
 */
function shakeHands(credentials: Credentials): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const server = createServer(contextOf(credentials));
    const end = (outcome: string | null | Error) => {
      clearTimeout(timer);
      server.close();
      if (outcome instanceof Error) reject(outcome);
      else resolve(outcome);
    };
    const timer = setTimeout(() => end(new Error("a trial of TLS did not end")), TRIAL_MS);
    server.on("secureConnection", (socket) => {
      socket.destroy();
      end(null);
    });
    server.on("tlsClientError", (error) => end(error.message));
    server.on("error", end);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      const stranger = connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
      stranger.on("error", () => {/* refused, as is right */});
      stranger.on("close", () => stranger.destroy());
    });
  });
}
