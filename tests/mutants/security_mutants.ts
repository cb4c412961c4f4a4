/**
 * Bugs of who is let in, of what is judged, and of the bounds for each address and user. The seeds that draw
 * bounds look for the first; each of the others has a test that has to find it: `deno task mutants --security`.
 */
import { type Mutant, mutant } from "./mutant.ts";

/** About a tenth of the seeds have an address that several clients share, or a bounded user. */
export const BOUNDS: readonly Mutant[] = [
  mutant("rate-never-used-up", "Commands take nothing from their bucket", [
    "node/session/rate_bucket.ts",
    "    if (this.#bounds.commandsPerSecond > 0) this.#commands -= count;",
    "    void count;",
  ]),
  mutant("rate-by-connection", "Each connection of an address has a rate of its own", [
    "node/session/client_bounds.ts",
    "    return this.#addresses.enter(addressKey(remote), nowMs);",
    "    return this.#addresses.enter(remote, nowMs);",
  ]),
];

export interface TestedMutant extends Mutant {
  /** The file, and the test in it, that has to fail: one that draws nothing anew, or it would by chance. */
  readonly file: string;
  readonly test: string;
}

export function tested(
  [name, about, file, test]: readonly [string, string, string, string],
  ...edits: (readonly [string, string, string])[]
): TestedMutant {
  return { ...mutant(name, about, ...edits), file: `tests/${file}`, test };
}

const AUTHENTICATOR = "node/authenticator_test.ts";
const KNOWN = "what was remembered of a password goes with it, and with its user";
const CLIENT_BOUNDS = "node/client_bounds_test.ts";
const CERTIFICATES = "node/certificates_test.ts";
const TLS = "host/tls_test.ts";
const REFUSED = "tls: whoever is refused is refused with a reason, and others are served meanwhile";
const TLS_PORTS = "tls_ports_test.ts";

export const SECURITY: readonly TestedMutant[] = [
  tested([
    "answered-before-auth",
    "A command answers before AUTH",
    "wire/resp_users_test.ts",
    "before a client is authenticated nothing answers but AUTH, HELLO, QUIT and RESET",
  ], [
    "wire/resp/resp_codec.ts",
    "    if (!isFree && r.access.isShut) {",
    '    if (!isFree && r.access.isShut && command?.name !== "ping") {',
  ]),
  tested([
    "known-by-name",
    "Once a password went well, any password of that name does",
    AUTHENTICATOR,
    "a wrong password is wrong, whatever went well before it",
  ], [
    "node/security/authenticator.ts",
    "    return this.#passwords.keyedDigest(bytes);",
    "    return this.#passwords.keyedDigest(head);",
  ]),
  tested([
    "known-for-good",
    "What is remembered of a password outlives the password",
    AUTHENTICATOR,
    KNOWN,
  ], [
    "node/security/authenticator.ts",
    "    const holds = known.userId === user.id &&\n",
    "    const holds = known.userId === user.id ||\n",
  ]),
  tested([
    "known-of-any-life",
    "What is remembered of a password lets in the next user of that name",
    AUTHENTICATOR,
    KNOWN,
  ], [
    "node/security/authenticator.ts",
    "    const holds = known.userId === user.id &&\n      user.passwords.some(({ hash }) => isSame(hash, known.hash));",
    "    const holds = user.passwords.length > 0;",
  ]),
  tested([
    "off-gets-in",
    "A user that is off gets in by its password",
    AUTHENTICATOR,
    "a name that nobody has, a wrong password and a user that is off cost one hash each, and are told alike",
  ], [
    "node/security/authenticator.ts",
    "    if (user === undefined || found === null || !user.isOn) return 0;",
    "    if (user === undefined || found === null) return 0;",
  ]),
  tested([
    "failures-at-once",
    "However many passwords fail, the answer comes at once",
    AUTHENTICATOR,
    "answers to failures take longer and longer; the right password is never delayed",
  ], [
    "node/security/standings.ts",
    "    return Math.max(byNameMs, this.#byAddress.note(address, nowMs));",
    "    return Math.min(1, byNameMs, this.#byAddress.note(address, nowMs));",
  ]),
  tested([
    "failures-by-ipv6",
    "Failed passwords are counted for each IPv6 address by itself",
    AUTHENTICATOR,
    "failures of one IPv6 network count together, those of IPv4 addresses apart",
  ], [
    "util/address.ts",
    '  return host.includes(":") ? `${groupsOf(host).slice(0, 4)',
    '  return host.includes("::0") ? `${groupsOf(host).slice(0, 4)',
  ]),
  tested([
    "queued-unjudged",
    "What comes between MULTI and EXEC is queued whatever the user may do",
    "wire/resp_users_test.ts",
    "a transaction takes what the user may do, is spoiled by what it may not, and is judged again at its end",
  ], [
    "wire/client_access.ts",
    "    return new Permissions(users).allow(bytes, at, result) ? 0 : denialOf(result.status);",
    "    return new Permissions(users).allow(bytes, at, result) ? 0 : 0;",
  ]),
  tested([
    "held-as-gone",
    "A command that waited is done as a user that is gone by now",
    "wire/resp_users_test.ts",
    "what waits for a leader is not done where its user is gone by then",
  ], [
    "kv/users/permissions.ts",
    "  if (user === undefined || !user.isOn) return Status.notPermittedCommand;",
    "  if (user === undefined) return 0;\n  if (!user.isOn) return Status.notPermittedCommand;",
  ]),
  tested([
    "turn-unjudged",
    "What a server tells of itself is told in its turn, whatever the user may do by then",
    "wire/resp_users_test.ts",
    "what waits for its turn is answered by what the user may do then",
  ], [
    "wire/client_access.ts",
    "    return this.mayRun(command) ? 0 : ClientError.notPermitted;",
    "    return this.mayRun(command) || command > 0 ? 0 : ClientError.notPermitted;",
  ]),
  tested([
    "first-user-from-afar",
    "Whoever comes first makes the first user, from any machine",
    "node/users_test.ts",
    "who is not on this machine makes no first user",
  ], [
    "wire/resp/resp_acl.ts",
    "  if (access.userId === 0 && !access.isLoopback) {",
    "  if (access.userId !== 0 && !access.isLoopback) {",
  ]),
  tested([
    "gone-stays-connected",
    "A deleted user's connections stay",
    "node/users_test.ts",
    "a user that is deleted, or off, has no connection any more; others keep theirs",
  ], [
    "node/node_users.ts",
    "      if (session.access.isRevoked) session.end(",
    "      if (session.access.isRevoked && session.access.users === null) session.end(",
  ]),
  tested([
    "another's-rate",
    "What an address does is charged to whoever came first",
    CLIENT_BOUNDS,
    "bounds: a greedy client gets its rate and no more, a modest one all that it asks",
  ], [
    "node/session/rate_table.ts",
    "    let bucket = this.#used.get(key);",
    "    let [bucket] = this.#used.values() as Iterable<RateBucket | undefined>;",
  ]),
  tested([
    "user-kept-by-reset",
    "After RESET a connection counts for the user that it was",
    CLIENT_BOUNDS,
    "bounds: after RESET a connection is no user's, and nothing that it did before is forgotten",
  ], [
    "node/session/bounded_session.ts",
    "    else if (this.#user !== null && this.#session.access.userId === 0) this.#leaveUser();\n",
    "",
  ]),
  tested([
    "any-name",
    "A certificate of the CA is any server's",
    CERTIFICATES,
    "certificates: any other is refused, with both names",
  ], [
    "node/peers/certificate_check.ts",
    "  if (names === undefined || names.includes(wanted)) return null;",
    "  if (names === undefined || names.length > 0) return null;",
  ]),
  tested([
    "acceptor-asks-no-name",
    "Who connects as a server is not asked whose certificate it shows",
    CERTIFICATES,
    "certificates: who connects with another's is refused, and both ends say why",
  ], [
    "node/peers/peer_inbound.ts",
    "certificateRefusal(hello.from, this.#peerNames) ??",
    "certificateRefusal(hello.from, this.#peerNames && undefined) ??",
  ]),
  tested([
    "dialler-asks-no-name",
    "Whoever listens where a server was expected is taken for it by any certificate of the CA",
    CERTIFICATES,
    "certificates: who answers with another's gets nothing",
  ], [
    "node/peers/outbound_handshake.ts",
    "    if (stranger !== null) return stranger;",
    "    if (stranger !== null && peerNames === undefined) return stranger;",
  ]),
  tested([
    "client-unasked",
    "A client's certificate is asked for, and nobody looks at it",
    TLS,
    REFUSED,
  ], [
    "host/tls/credentials.ts",
    "requestCert, rejectUnauthorized: true };",
    "requestCert, rejectUnauthorized: false };",
  ], [
    "host/tls/tls_listener.ts",
    "    const peer = this.#credentials.requestCert ? peerOf(socket, this.#credentials) : null;",
    "    const peer = this.#closed ? peerOf(socket, this.#credentials) : null;",
  ]),
  tested([
    "names-of-nobody",
    "The names of a certificate are lost on their way to the links: a server's is as good as none",
    TLS,
    "tls: a connection carries bytes both ways, knows who is there, and ends with null",
  ], [
    "host/tls/tls_listener.ts",
    "new SocketConnection(socket, remote, peer?.names)",
    "new SocketConnection(socket, remote)",
  ]),
  tested([
    "resumed-unchecked",
    "A session that is taken up again is not checked against the CA of today",
    TLS,
    "tls: a resumed session is checked against the CA of today",
  ], [
    "host/tls/peer_certificate.ts",
    "    if (socket.isSessionReused() || credentials.authorities.length > 0) {",
    "    if (!socket.isSessionReused() && credentials.authorities.length > 0) {",
  ]),
  tested([
    "resumed-for-good",
    "A session is taken up again after its certificate has expired",
    TLS,
    "tls: a session that is taken up again is refused once its certificate has expired",
  ], [
    "host/tls/peer_certificate.ts",
    '    if (nowMs > Date.parse(certificate.validTo)) return "its certificate has expired";\n',
    "",
  ]),
  tested([
    "not-valid-in-use",
    "A certificate that is not valid yet, or no more, is put in the place of one that is",
    TLS_PORTS,
    "tls ports: what could not be used is taken once it can, without a change of the files",
  ], [
    "tls_ports.ts",
    "validityFault(next, this.#around.clock.wallMs()) ?? await handshakeFault(next);",
    "await handshakeFault(next);",
  ]),
  tested([
    "expiry-of-the-first",
    "Of the new certificate's expiry nobody is warned, where there was a warning before it",
    TLS_PORTS,
    "tls ports: warnings come with 30, 7 and 1 days left, once each, and again for the next one",
  ], [
    "tls_ports.ts",
    "      one.warnedDays = Infinity;\n",
    "",
  ]),
  tested([
    "plain-let-in",
    "A port that speaks TLS takes plain connections, though nobody said that it is optional",
    TLS,
    REFUSED,
  ], [
    "host/tls/tls_transport.ts",
    "    this.#plain = options.dialPlain === undefined ? null : new PlainLinks();",
    "    this.#plain = new PlainLinks();",
  ]),
  tested([
    "refused-then-plain",
    "Where TLS is optional, whoever shows a stranger's certificate is connected to without",
    TLS,
    "tls: where TLS is optional it is tried first, and who speaks none is connected to without",
  ], [
    "host/tls/tls_transport.ts",
    "      const isPlain = cause instanceof Error && mayBePlain(cause);",
    "      const isPlain = cause instanceof Error || mayBePlain(error as Error);",
  ]),
  tested([
    "optional-protects",
    "A log port where TLS is optional counts as protected",
    "open_ports_test.ts",
    "open ports: TLS that is optional protects the log port no more, unless the secret does",
  ], [
    "open_ports.ts",
    "      return (tls?.log !== undefined && tls.log.optional !== true) || provesSecret;",
    "      return tls?.log !== undefined || provesSecret;",
  ]),
  tested([
    "wrong-at-full-speed",
    "Wrong passwords are hashed one after the other, without a pause",
    AUTHENTICATOR,
    "wrong passwords from ever new networks take a fifth of a processor, however many are tried",
  ], [
    "node/security/hash_queue.ts",
    "    else this.#restsUntilMs = nowMs + REST_FACTOR * this.#tookMs;",
    "    else this.#restsUntilMs = nowMs;",
  ]),
  tested([
    "guesses-in-the-larger-budget",
    "However often a network failed, its passwords are hashed as those of others",
    AUTHENTICATOR,
    "wrong passwords of a network that failed often take two per cent of a processor, from however many " +
    "of its addresses",
  ], [
    "node/security/standings.ts",
    "      isSuspect: this.#byNetwork.count(network, nowMs) >= FAILURES_MANY,",
    "      isSuspect: false,",
  ]),
  tested([
    "one-budget",
    "Who has not failed waits for the pauses of those who guess",
    AUTHENTICATOR,
    "in a flood a user from another network is let in by the next hash or the one after, also whose name " +
    "it is for",
  ], [
    "node/security/hash_queue.ts",
    "      nowMs >= (isSuspect ? this.#suspectsRestUntilMs : this.#restsUntilMs)",
    "      nowMs >= Math.max(this.#suspectsRestUntilMs, this.#restsUntilMs) || isSuspect",
  ]),
  tested([
    "standing-as-it-came",
    "Passwords that came before their address failed are hashed as if it had not",
    AUTHENTICATOR,
    "of many that one address sends at once, those after eight failures are of the smaller budget",
  ], [
    "node/security/hash_queue.ts",
    "    if (nowMs < this.#dueMs()) return;\n    this.reorder();",
    "    if (nowMs < this.#dueMs()) return;",
  ]),
  tested([
    "guesses-keep-users-out",
    "Passwords are hashed in the order in which they come: those of whoever guesses, too",
    AUTHENTICATOR,
    "whose address failed least is looked at first, and takes another's place where all are taken",
  ], [
    "node/security/hash_queue.ts",
    "  return a.failures - b.failures;",
    "  return 0;",
  ]),
];
