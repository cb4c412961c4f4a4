/** Where a server has its secrets from: the cluster's, and the token that its admin port wants. */
import type { Config } from "./config.ts";

/** A file, or the text that a variable holds. */
export type SecretSource =
  | { readonly file: string }
  | { readonly text: string; readonly variable: string };

/** True where nobody is let in as a server without a proof. */
export function provesSecret(config: Config, source: SecretSource | null): boolean {
  return source !== null && config.secretOptional !== true;
}
