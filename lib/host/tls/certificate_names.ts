/**
 * The DNS names that a certificate is for, read from its bytes (RFC 5280 §4.2.1.6). The runtime gives
 * them as one text, in which a name that holds ", DNS:" looks like two.
 */

/** 2.5.29.17, subjectAltName, as an encoded object identifier. */
const SUBJECT_ALT_NAME = [0x06, 0x03, 0x55, 0x1d, 0x11];
const BOOLEAN = 0x01;
const OCTET_STRING = 0x04;
const SEQUENCE = 0x30;
const EXTENSIONS = 0xa3;
const DNS_NAME = 0x82;
/** What a DNS name is made of, a wildcard included. */
const NAME = /^[a-z0-9_*.-]{1,253}$/;

/** One element: where its contents are, and where the next one begins. */
interface Element {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

/**
 * The DNS names of a certificate in DER, in lower case; what is no name is left out.
 * @throws {Error} where the bytes are no certificate.
 */
export function dnsNamesOf(certificate: Uint8Array): string[] {
  const [whole] = elementsOf(certificate, 0, certificate.length);
  const [body] = whole?.tag === SEQUENCE ? elementsOf(certificate, whole.start, whole.end) : [];
  if (body?.tag !== SEQUENCE) throw new Error("no certificate");
  const names: string[] = [];
  for (const part of elementsOf(certificate, body.start, body.end)) {
    if (part.tag !== EXTENSIONS) continue;
    const [list] = elementsOf(certificate, part.start, part.end);
    if (list === undefined) continue;
    for (const extension of elementsOf(certificate, list.start, list.end)) {
      names.push(...namesOfExtension(certificate, extension));
    }
  }
  return names;
}

function namesOfExtension(bytes: Uint8Array, extension: Element): string[] {
  const isNames = SUBJECT_ALT_NAME.every((byte, at) => bytes[extension.start + at] === byte);
  if (!isNames) return [];
  // The identifier, whether it is critical, and the names in an octet string.
  const value = elementsOf(bytes, extension.start, extension.end)
    .filter(({ tag }) => tag !== BOOLEAN)[1];
  if (value?.tag !== OCTET_STRING) return [];
  const [list] = elementsOf(bytes, value.start, value.end);
  if (list === undefined) return [];
  return elementsOf(bytes, list.start, list.end)
    .filter(({ tag }) => tag === DNS_NAME)
    .map(({ start, end }) => latin1(bytes.subarray(start, end)).toLowerCase())
    .filter((name) => NAME.test(name));
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, 254));
}

/** The elements between two offsets. @throws {Error} where one of them reaches beyond the end. */
function elementsOf(bytes: Uint8Array, from: number, to: number): Element[] {
  const found: Element[] = [];
  for (let at = from; at < to;) {
    const element = elementAt(bytes, at, to);
    found.push(element);
    at = element.end;
  }
  return found;
}

function elementAt(bytes: Uint8Array, at: number, to: number): Element {
  const short = bytes[at + 1] ?? 0;
  let start = at + 2;
  let length = short;
  if (short > 0x7f) {
    const count = short & 0x7f;
    if (count === 0 || count > 3) throw new Error("no certificate");
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + (bytes[start + i] ?? 0);
    start += count;
  }
  const end = start + length;
  if (start > to || end > to) throw new Error("no certificate");
  return { tag: bytes[at]!, start, end };
}
