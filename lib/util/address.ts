/** Addresses and ports as texts. */

const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/;

/** IPv4 or IPv6, by its form: no host name looks like one. */
export function isAddress(hostname: string): boolean {
  return hostname.includes(":") || IPV4.test(hostname);
}

/** Address and port as one word; an IPv6 address in brackets. */
export function addressText(hostname: string, port: number): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}
