/** TLS for connections: what may be said about it, and what its failures mean. */
import { wrongKind } from "./arguments.ts";
import type { TlsOptions } from "./calls.ts";
import { checkNames, optionNames } from "./options.ts";

const TLS_OPTIONS = optionNames<TlsOptions>({ ca: true, cert: true, key: true, serverName: true });
const PEM = "a text in PEM, as in the file";

/** @throws {TypeError} where something is wrong, with what was meant; `true` is TLS with no more options. */
export function checkTls(given: TlsOptions | boolean | undefined): TlsOptions | undefined {
  if (given === undefined || given === false) return undefined;
  if (given === true) return {};
  if (typeof given !== "object" || given === null) {
    throw wrongKind("tls", "true, or an object such as { ca: … }", given, "");
  }
  checkNames(given, TLS_OPTIONS);
  const { ca, cert, key, serverName } = given;
  for (const [name, text] of Object.entries({ ca, cert, key })) {
    if (text === undefined) continue;
    if (typeof text !== "string") throw wrongKind(`tls.${name}`, PEM, text, "");
    if (!text.includes("-----BEGIN ")) {
      throw new TypeError(
        `tls.${name} is no text in PEM: give what stands in the file, not its name`,
      );
    }
  }
  if (serverName !== undefined && (typeof serverName !== "string" || serverName === "")) {
    throw wrongKind("tls.serverName", "a name such as db.example", serverName, "");
  }
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError("tls.cert and tls.key belong together: give both, or neither");
  }
  return { ca, cert, key, serverName };
}

/** Those that were looked at, and found to be a pair. */
const PAIRS = new WeakSet<TlsOptions>();

/**
 * That a certificate is another key's is told by no runtime before a server refuses it, and then in words
 * about something else.
 * @throws {TypeError} where `cert` and `key` do not belong together.
 */
export async function checkPair(tls: TlsOptions | undefined): Promise<void> {
  if (tls?.cert === undefined || tls.key === undefined || PAIRS.has(tls)) return;
  const { createPrivateKey, X509Certificate } = await import("node:crypto");
  if (!isPair(() => new X509Certificate(tls.cert!).checkPrivateKey(createPrivateKey(tls.key!)))) {
    throw new TypeError("the certificate is not this key's: tls.cert and tls.key are no pair");
  }
  PAIRS.add(tls);
}

/** What can't be read here, an encrypted key or a kind that this runtime does not know, is not judged. */
function isPair(check: () => boolean): boolean {
  try {
    return check();
  } catch {
    return true;
  }
}

const WORDS: readonly (readonly [RegExp, string])[] = [
  [
    /CertificateRequired|certificate[ _]required|alert number 116/i,
    "it asks for a client's certificate and was shown none (Deno shows one from 2.7.14 on)",
  ],
  [
    /alert.*(UnknownCA|unknown[ _]ca|BadCertificate|bad certificate|DecryptError)/i,
    "it does not take this client's certificate",
  ],
  [/alert.*(CertificateExpired|certificate expired)/i, "this client's certificate has expired"],
  [
    /UnknownIssuer|unable to (get|verify)|self[- ]signed|UNABLE_TO|SELF_SIGNED/i,
    "its certificate is of no CA that is trusted here",
  ],
  [/Expired/i, "its certificate has expired"],
  [/NotYetValid|not yet valid/i, "its certificate is not valid yet"],
  [/NotValidForName|not valid for name|altnames|ALTNAME/i, "its certificate is for other names"],
  [
    /InvalidContentType|corrupt message|wrong version number|packet length too long/i,
    "it speaks no TLS there",
  ],
  [/alert.*(ProtocolVersion|protocol version)/i, "it speaks another version of TLS"],
];

/** What a runtime's error says about TLS, for people; null where it says nothing about that. */
export function tlsWords(error: Error & { readonly code?: unknown }): string | null {
  const said = `${typeof error.code === "string" ? error.code : ""} ${error.message}`;
  return WORDS.find(([pattern]) => pattern.test(said))?.[1] ?? null;
}
