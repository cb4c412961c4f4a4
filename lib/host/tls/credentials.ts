/** What a port, or a client, shows and trusts: read from PEM files, and checked before it is used. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import type { SecureContextOptions } from "node:tls";
import { reasonOf } from "../system_errors.ts";
import { dnsNamesOf } from "./certificate_names.ts";

/** Names of PEM files. */
export interface CredentialFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
  readonly requestCert: boolean;
}

export interface Credentials {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | undefined;
  /** Whoever connects must show a certificate. */
  readonly requestCert: boolean;
  readonly authorities: readonly X509Certificate[];
  /** When its own certificate, or one between it and the CA, ends to be valid; wall clock. */
  readonly expiresMs: number;
  readonly validFromMs: number;
  /** The DNS names of its own certificate. */
  readonly names: readonly string[];
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
/** A bundle of all public CAs has a fourth of this. */
const FILE_BYTES_MAX = 1_048_576;

/** What node:tls is told of them; both ends speak TLS 1.2 at least. */
export function contextOf(
  { cert, key, ca, requestCert }: Credentials,
): SecureContextOptions & { requestCert: boolean; rejectUnauthorized: boolean } {
  const own = { cert, key, minVersion: "TLSv1.2" as const, requestCert, rejectUnauthorized: true };
  return ca === undefined ? own : { ...own, ca };
}

/** @throws {Error} where one can't be read or used, or they don't fit together: one sentence. */
export function readCredentials(files: CredentialFiles): Credentials {
  const cert = readPem(files.cert);
  const chain = certificatesIn(cert, files.cert);
  const key = readPem(files.key);
  const ca = files.ca === undefined ? undefined : readPem(files.ca);
  const authorities = ca === undefined ? [] : certificatesIn(ca, files.ca!);
  // The runtime takes what does not fit, and then fails each handshake.
  if (!isKeyOf(chain[0]!, key, files.key)) {
    throw new Error(`${files.key} is not the key of the certificate in ${files.cert}`);
  }
  return {
    cert,
    key,
    ca,
    requestCert: files.requestCert,
    authorities,
    expiresMs: Math.min(...chain.map(({ validTo }) => Date.parse(validTo))),
    validFromMs: Math.max(...chain.map(({ validFrom }) => Date.parse(validFrom))),
    names: dnsNamesOf(chain[0]!.raw),
  };
}

function isKeyOf(certificate: X509Certificate, pem: string, path: string): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(pem));
  } catch (error) {
    const why = (error as Error).message;
    throw new Error(`${path} has no key that can be used (without a passphrase): ${why}`, {
      cause: error,
    });
  }
}

function readPem(path: string): string {
  let text: string;
  try {
    const { size } = Deno.statSync(path);
    if (size > FILE_BYTES_MAX) throw new Error(`it has ${size} bytes, too many for a PEM file`);
    text = Deno.readTextFileSync(path);
  } catch (error) {
    throw new Error(`${path}: ${reasonOf(path, error)}`, { cause: error });
  }
  if (!text.includes("-----BEGIN ")) {
    throw new Error(`${path} is no PEM file: it has no -----BEGIN`);
  }
  return text;
}

function certificatesIn(pem: string, path: string): X509Certificate[] {
  const found = pem.match(CERTIFICATE) ?? [];
  if (found.length === 0) throw new Error(`${path} has no certificate in it`);
  // Half of one would be left out, and with it a CA or a link of the chain.
  const begun = pem.split("-----BEGIN CERTIFICATE-----").length - 1;
  if (found.length < begun) {
    throw new Error(
      `${path} has ${begun} beginnings of certificates, and ${found.length} whole ones`,
    );
  }
  try {
    return found.map((one) => new X509Certificate(one));
  } catch (error) {
    const why = (error as Error).message;
    throw new Error(`${path} has a certificate that can't be read: ${why}`, { cause: error });
  }
}

/** Changes with any of the files: written anew, replaced, given other permissions, or gone. */
export async function stampOf({ cert, key, ca }: CredentialFiles): Promise<string> {
  const stamps = [cert, key, ...(ca === undefined ? [] : [ca])].map(async (path) => {
    try {
      // A copy may keep its time and its size; the time of the change nobody can set.
      const { mtime, ctime, ino, size } = await Deno.stat(path);
      return `${mtime?.getTime()} ${ctime?.getTime()} ${ino} ${size}`;
    } catch {
      return "gone";
    }
  });
  return (await Promise.all(stamps)).join(", ");
}
