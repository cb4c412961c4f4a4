/** The cluster's secret as this server is given it: by a file or a variable, and again on SIGHUP. */
import type { Rng } from "./host/ports.ts";
import { readSecretFile } from "./host/secret_file.ts";
import type { LogEvent } from "./node/api.ts";
import { ClusterSecret } from "./node/peers/cluster_secret.ts";
import type { SecretSource } from "./secret_source.ts";

/** So many are known at a time: the one that is spoken, and another one while it is exchanged. */
const SECRETS_MAX = 2;
const CHARACTERS_MIN = 32;
const CHARACTERS_MAX = 1_024;

/**
 * The secrets in a text, a line each; the first is the one that is spoken.
 * @throws {Error} with a sentence that names `where`, and nothing of the text.
 */
export function secretsIn(text: string, where: string): Uint8Array[] {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  if (lines.length === 0 || lines.length > SECRETS_MAX) {
    const meant = "one is meant, or two while it is exchanged";
    throw new Error(`${where} has ${lines.length} lines with a secret: ${meant}`);
  }
  return lines.map((line, at) => {
    if (line.length < CHARACTERS_MIN || line.length > CHARACTERS_MAX || !/^[!-~]*$/.test(line)) {
      throw new Error(
        `${where}: line ${at + 1} is no secret (${CHARACTERS_MIN} to ${CHARACTERS_MAX} ` +
          "characters of ASCII without spaces): head -c 32 /dev/urandom | base64 makes one",
      );
    }
    return new TextEncoder().encode(line);
  });
}

function read(source: SecretSource): Uint8Array[] {
  return "file" in source
    ? secretsIn(readSecretFile(source.file), source.file)
    : secretsIn(source.text, source.variable);
}

export interface SecretParts {
  readonly rng: Rng;
  readonly log: (event: LogEvent) => void;
}

/** The secret, and what reads it again. */
export interface OpenSecret {
  readonly secret: ClusterSecret;
  /** Called once another one may count: links that it does not let in have to end. */
  onExchange: () => void;
  /** What was known before stays, and why is logged, where it can't be read. */
  reload(): void;
}

/** @throws {Error} where it can't be used, with a sentence. */
export function openSecret(
  source: SecretSource,
  isOptional: boolean,
  { rng, log }: SecretParts,
): OpenSecret {
  const first = read(source);
  const secret = new ClusterSecret(first, isOptional, rng);
  say(first.length);
  if (isOptional) {
    const message = "secretOptional: servers that know nothing of the cluster's secret are let " +
      "in as well. Take it out of the cluster file once all servers have the secret";
    log({ level: "warning", message, fields: {} });
  }
  function say(accepted: number): void {
    log({ level: "info", message: "The servers prove the cluster's secret", fields: { accepted } });
  }
  return {
    secret,
    onExchange() {},
    reload() {
      try {
        const secrets = read(source);
        secret.exchange(secrets);
        say(secrets.length);
      } catch (error) {
        const message = "The cluster's secret stays as it was: it can't be read again";
        log({ level: "error", message, fields: { reason: (error as Error).message } });
        return;
      }
      this.onExchange();
    },
  };
}
