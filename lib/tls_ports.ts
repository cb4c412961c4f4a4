/**
 * The ports of this server that speak TLS: their files, read at the start and again whenever they change
 * or the server is told to; and how long their certificates are valid. Loaded where there are any.
 */
import type { Config } from "./config.ts";
import { filesOfServer, type PortTls, TLS_PORTS, type TlsPort } from "./config_tls.ts";
import { type Credentials, readCredentials, stampOf } from "./host/tls/credentials.ts";
import { demandFault, handshakeFault, versionFault } from "./host/tls/runtime.ts";
import type { HandshakeFailure } from "./host/tls/tls_listener.ts";
import { TlsTransport } from "./host/tls/tls_transport.ts";
import { dialTcp, type TcpTransport } from "./host/tcp.ts";
import type { Clock, Transport } from "./host/ports.ts";
import type { CertificateFacts, LogEvent } from "./node/api.ts";
import { certificateName } from "./node/peers/certificate_check.ts";
import { LogPace } from "./node/reports/log_pace.ts";

const POLL_MS = 1_000;
const DAY_MS = 86_400_000;
/** Warnings come when so many days are left. */
const WARN_DAYS = [1, 7, 30];

export interface TlsSurroundings {
  readonly config: Config;
  readonly serverId: number;
  /** The plain one, which knows the descriptors and names of the process. */
  readonly tcp: TcpTransport;
  readonly clock: Clock;
  readonly log: (event: LogEvent) => void;
}

/** One port. */
interface Secured {
  readonly port: TlsPort;
  readonly files: PortTls;
  readonly transport: TlsTransport;
  /** Of the files as they were read last. */
  stamp: string;
  /** Why those could not be used; empty where they are in use. */
  fault: string;
  /** It has been logged. */
  isFaultSaid: boolean;
  /** The days that were warned of last; Infinity before. */
  warnedDays: number;
}

export class TlsPorts {
  readonly #around: TlsSurroundings;
  readonly #secured: readonly Secured[];
  readonly #pace = new LogPace();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;
  #looking: Promise<void> = Promise.resolve();

  private constructor(around: TlsSurroundings, secured: readonly Secured[]) {
    this.#around = around;
    this.#secured = secured;
  }

  /** @throws {Error} where a file can't be used, or this runtime can't do it: one sentence. */
  static async open(around: TlsSurroundings): Promise<TlsPorts> {
    const early = versionFault();
    if (early !== null) throw new Error(`tls: ${early}`);
    const secured: Secured[] = [];
    const ports = new TlsPorts(around, secured);
    for (const port of TLS_PORTS) {
      const tls = around.config.tls?.[port];
      if (tls === undefined) continue;
      const files = filesOfServer(tls, around.serverId);
      const stamp = await stampOf(files);
      const credentials = read(port, files);
      const unusable = await handshakeFault(credentials);
      if (unusable !== null) throw new Error(`tls.${port}: ${files.cert}: ${unusable}`);
      const fault = credentials.requestCert ? await demandFault(credentials) : null;
      if (fault !== null) throw new Error(`tls.${port}: ${fault}`);
      const { tcp: { margin, resolver } } = around;
      const onDeaf = (address: string) => ports.#wasDeaf(address);
      const onHandshakeFailure = (failure: HandshakeFailure) =>
        ports.#handshakeFailed(port, failure);
      const transport = new TlsTransport({
        credentials,
        margin,
        resolver,
        onHandshakeFailure,
        onDeaf,
        dialPlain: tls.optional === true ? dialTcp : undefined,
      });
      const state = { fault: "", isFaultSaid: false, warnedDays: Infinity };
      secured.push({ port, files, transport, stamp, ...state });
      ports.#doubt(port, credentials);
      if (tls.optional === true) ports.#warnOfOptional();
    }
    ports.lookAtTime();
    ports.#poll();
    return ports;
  }

  /** What listens, and connects, on these ports. */
  get transports(): { readonly [Port in TlsPort]?: Transport } {
    return Object.fromEntries(this.#secured.map(({ port, transport }) => [port, transport]));
  }

  /** Connections of the log port that are plain; undefined where none may be. */
  get plainLinks(): number | undefined {
    return this.#secured.find(({ port }) => port === "log")?.transport.plainLinks;
  }

  /** How long each port's certificate is still valid. */
  get certificates(): CertificateFacts[] {
    const nowMs = this.#around.clock.wallMs();
    return this.#secured.map(({ port, transport }) => {
      return { port, expiresInMs: transport.credentials.expiresMs - nowMs };
    });
  }

  /** Reads all files again, whether they look changed or not. */
  reload(): Promise<void> {
    return this.#inOrder(async () => {
      for (const one of this.#secured) await this.#renew(one, await stampOf(one.files), true);
    });
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #poll(): void {
    this.#timer = setTimeout(async () => {
      await this.#inOrder(() => this.#look());
      if (!this.#isStopped) this.#poll();
    }, POLL_MS);
  }

  async #look(): Promise<void> {
    for (const one of this.#secured) {
      const stamp = await stampOf(one.files);
      // What is wrong may pass without a change of the files: a certificate that is not valid yet, no
      // descriptor at that moment, a directory that could not be entered.
      if (stamp !== one.stamp || one.fault !== "") await this.#renew(one, stamp, false);
    }
    this.lookAtTime();
  }

  /** One look at the files at a time: what was read first must not come into use last. */
  #inOrder(look: () => Promise<void>): Promise<void> {
    this.#looking = this.#looking.then(look);
    return this.#looking;
  }

  async #renew(one: Secured, stamp: string, isAsked: boolean): Promise<void> {
    one.stamp = stamp;
    const now = one.transport.credentials;
    try {
      const next = read(one.port, one.files);
      if (next.cert === now.cert && next.key === now.key && next.ca === now.ca) {
        one.fault = "";
        return;
      }
      const fault = validityFault(next, this.#around.clock.wallMs()) ?? await handshakeFault(next);
      if (fault !== null) throw new Error(`tls.${one.port}: ${one.files.cert}: ${fault}`);
      one.transport.use(next);
      one.fault = "";
      one.warnedDays = Infinity;
      this.#log("info", "TLS certificate exchanged", {
        port: one.port,
        expires: new Date(next.expiresMs).toISOString(),
      });
      this.#doubt(one.port, next);
    } catch (error) {
      const fault = (error as Error).message;
      const isSame = fault === one.fault;
      if (!isSame) one.isFaultSaid = false;
      one.fault = fault;
      // Files are rarely written all at once: what is wrong still, a moment later, is said, and once.
      if (isAsked || (isSame && !one.isFaultSaid)) this.#sayFault(one);
    }
  }

  #sayFault(one: Secured): void {
    one.isFaultSaid = true;
    this.#log("error", "The new TLS certificate can't be used: the one before it stays in use", {
      port: one.port,
      reason: one.fault,
    });
  }

  /** What is allowed, and keeps others from connecting. */
  #doubt(port: TlsPort, { names }: Credentials): void {
    const wanted = certificateName(this.#around.serverId);
    if (port !== "log" || names.includes(wanted)) return;
    const message = "The certificate of the log port lacks this server's name: others refuse it";
    this.#log("error", message, { wanted, names: names.join(" ") || "none" });
  }

  #warnOfOptional(): void {
    const message = "tls.log.optional: servers without TLS are let in and connected to as well. " +
      "Take it out of the cluster file once all servers have TLS";
    this.#log("warning", message, {});
  }

  /** Warns of certificates that expire soon: once for each of the days. */
  lookAtTime(): void {
    for (const [at, { port, expiresInMs }] of this.certificates.entries()) {
      const one = this.#secured[at]!;
      const days = expiresInMs <= 0 ? 0 : WARN_DAYS.find((most) => expiresInMs <= most * DAY_MS);
      if (days === undefined || days >= one.warnedDays) continue;
      one.warnedDays = days;
      const expires = new Date(one.transport.credentials.expiresMs).toISOString();
      if (days > 0) this.#log("warning", "A TLS certificate expires soon", { port, expires });
      else this.#log("error", "A TLS certificate has expired: others refuse it", { port, expires });
    }
  }

  #handshakeFailed(port: TlsPort, { address, remote, reason }: HandshakeFailure): void {
    const omitted = this.#pace.ask(port, this.#around.clock.monotonicMs());
    if (omitted === null) return;
    const fields = { address, remote, reason, ...(omitted > 0 && { omitted }) };
    this.#log("info", "A TLS handshake failed", fields);
  }

  #wasDeaf(address: string): void {
    const reason = "the runtime accepts none any more (out of descriptors?): listening anew";
    this.#log("warning", "Cannot accept connections", { address, reason });
  }

  #log(level: LogEvent["level"], message: string, fields: LogEvent["fields"]): void {
    this.#around.log({ level, message, fields });
  }
}

function read(port: TlsPort, files: PortTls): Credentials {
  try {
    return readCredentials(files);
  } catch (error) {
    throw new Error(`tls.${port}: ${(error as Error).message}`, { cause: error });
  }
}

/** Half a sentence where it is not valid now. */
function validityFault({ expiresMs, validFromMs }: Credentials, nowMs: number): string | null {
  if (nowMs > expiresMs) return `it expired on ${new Date(expiresMs).toISOString()}`;
  if (nowMs < validFromMs) return `it is valid from ${new Date(validFromMs).toISOString()} on`;
  return null;
}
