/** deploy/compose.yaml and its cluster file. */
import { type Config, parseConfig } from "../../lib/config.ts";
import { read, yamlOf } from "./deploy_files.ts";

export interface ComposeService {
  readonly image: string;
  readonly hostname: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly ports: readonly string[];
  readonly volumes: readonly string[];
  readonly restart: string;
  readonly stop_grace_period: string;
  readonly read_only: boolean;
  readonly cap_drop: readonly string[];
  readonly ulimits: { readonly nofile: number; readonly core: number };
  readonly build: { readonly context: string; readonly dockerfile: string };
  readonly configs: readonly { readonly source: string; readonly target: string }[];
}

export interface ComposeFile {
  readonly name: string;
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly configs: Readonly<Record<string, { readonly file: string }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

export const COMPOSE = yamlOf(read("compose.yaml")) as ComposeFile;
export const COMPOSE_CLUSTER = "compose.cluster.json";

export function composeCluster(): Config {
  return parseConfig(read(COMPOSE_CLUSTER), COMPOSE_CLUSTER);
}
