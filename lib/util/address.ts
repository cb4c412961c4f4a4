/** Addresses and ports as texts. */

const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/;

/** The name travels in a reply line, so it must not carry a space or a line end. */
const HOSTNAME = /^[A-Za-z0-9._:-]{1,253}$/;

/** What logs and other servers may name: earlier builds took any of it from files and flags. */
export function hasHostnameLetters(text: string): boolean {
  return HOSTNAME.test(text);
}

/** A host name, or an address of IPv4 or IPv6, by its form: without a port. */
export function isHostname(text: string): boolean {
  return HOSTNAME.test(text) && (!text.includes(":") || URL.canParse(`http://[${text}]/`));
}

/** IPv4 or IPv6, by its form: no host name looks like one. */
export function isAddress(hostname: string): boolean {
  return hostname.includes(":") || IPV4.test(hostname);
}

/** An address that stands for all of a machine's own: one can listen on it, and connect to none. */
export const ANY_ADDRESS = /^[0:.]+$/;

/** The last one: 127.0.0.0/8 as addresses of IPv6 (RFC 4291, section 2.5.5.2). */
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]|\[::ffff:7f[\da-f]{2}:[\da-f]{1,4}\])$/i;

/** It leads to the machine that asks, in whichever spelling: another one comes to itself. */
export function isLoopback(hostname: string): boolean {
  return LOOPBACK.test(hostname.includes(":") ? shortestForm(hostname) : hostname);
}

/** In brackets; nothing where it is no address of IPv6. */
function shortestForm(address: string): string {
  const url = `http://[${address}]/`;
  return URL.canParse(url) ? new URL(url).hostname : "";
}

/** The other end of a connection, as `Connection.remote` has it, is on this machine. */
export function isLoopbackRemote(remote: string): boolean {
  return remote.includes(":") && isLoopback(hostOf(remote));
}

/**
 * Which clients are one, by `Connection.remote`: those of an IPv4 address, and those of the 64 bits of an
 * IPv6 address that a network is given, as one host has all addresses with these.
 */
export function addressKey(remote: string): string {
  const host = hostOf(remote);
  return host.includes(":") ? `${groupsOf(host).slice(0, 4).join(":")}::/64` : host;
}

/** Which clients may be one who has a network of its own: 24 bits of an IPv4 address, 48 of an IPv6 one. */
export function networkKey(remote: string): string {
  const host = hostOf(remote);
  return host.includes(":")
    ? `${groupsOf(host).slice(0, 3).join(":")}::/48`
    : `${host.split(".").slice(0, 3).join(".")}.0/24`;
}

/** The eight groups of an IPv6 address. */
function groupsOf(host: string): string[] {
  const [before, after] = host.split("::").map((part) => part === "" ? [] : part.split(":"));
  const zeros = after === undefined ? 0 : 8 - before!.length - after.length;
  return [...before!, ...Array<string>(Math.max(0, zeros)).fill("0"), ...after ?? []];
}

/** The address alone; of IPv4 where a socket for both families has put it in one of IPv6. */
function hostOf(remote: string): string {
  const host = remote.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  return host.replace(/^::ffff:(?=[\d.]+$)/i, "");
}

/** Address and port as one word; an IPv6 address in brackets. */
export function addressText(hostname: string, port: number): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}
