/** Why a TLS handshake failed, in words: what the runtime and the other end's alerts say, for people. */

const WORDS: readonly (readonly [RegExp, string])[] = [
  [/InvalidContentType|corrupt message|wrong version number/i, "the other end speaks no TLS"],
  [/no certificates|DID_NOT_RETURN|UNABLE_TO_GET_ISSUER_CERT$/i, "it showed no certificate"],
  [/alert.*CertificateRequired/i, "the other end asks for a certificate and was shown none"],
  [
    /alert.*(UnknownCA|BadCertificate|DecryptError)/i,
    "the other end does not take this certificate",
  ],
  [/alert.*CertificateExpired/i, "the other end says that this certificate has expired"],
  [
    /UnknownIssuer|UNABLE_TO|unable to|self[-_ ]signed/i,
    "its certificate is of no CA trusted here",
  ],
  [/NotValidYet|NotYetValid|NOT_YET_VALID|not yet valid/i, "its certificate is not valid yet"],
  [/Expired/i, "its certificate has expired"],
  [
    /InvalidPurpose|INVALID_PURPOSE|unsuitable/i,
    "the extendedKeyUsage of its certificate is another",
  ],
  [/CaUsedAsEndEntity|INVALID_CA/i, "it shows a CA's certificate as its own"],
  [
    /SignatureAlgorithmsExtension|SupportedVersions|Tls12NotOffered|UNSUPPORTED_PROTOCOL/i,
    "it speaks no TLS 1.2 or later",
  ],
  [/UnexpectedEof|ECONNRESET|hang up|before secure|EPIPE/i, "it left during the handshake"],
];

/** True where whoever listens there may be one who speaks no TLS: he answers otherwise, or leaves. */
export function mayBePlain(error: Error): boolean {
  return [WORDS[0]!, WORDS.at(-1)!].some(([pattern]) => pattern.test(error.message));
}

/** Half a sentence. */
export function refusalWords(error: Error): string {
  return WORDS.find(([pattern]) => pattern.test(error.message))?.[1] ?? error.message;
}
