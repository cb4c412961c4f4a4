/** A run kept as a file: a seed with the options that it needs, in the corpus or from the shrinker. */
import { drawOptions, type SimOptions } from "./options.ts";
import { withRules } from "./patience.ts";
import { DEFAULT_CLIENT_BOUNDS } from "../../lib/node/limits.ts";
import type { SimResult } from "./simulate.ts";

export interface Case {
  readonly seed: number;
  /** What went wrong when it was found, one sentence. */
  readonly about: string;
  /** The check that fired then. */
  readonly check: string;
  /** In the place of what the seed draws, part by part. */
  readonly options: Partial<SimOptions>;
}

const NO_BOUNDS = { perAddress: DEFAULT_CLIENT_BOUNDS, perUser: DEFAULT_CLIENT_BOUNDS };

/** What a kept run needs; what it does not say, since it is older, is as its seed draws it. */
export function optionsOf({ seed, options }: Case): SimOptions {
  const drawn = drawOptions(seed, options);
  const { timing, limits, storage, network, disk, clients } = drawOptions(seed);
  return withRules({
    ...drawn,
    redis: options.redis ?? null,
    installFault: options.installFault ?? 0,
    older: options.older ?? [],
    spoiledReads: options.spoiledReads ?? 0,
    timersLate: options.timersLate ?? 0,
    members: options.members ?? null,
    momentFault: options.momentFault ?? 0,
    wipesAtFirst: options.wipesAtFirst ?? false,
    users: options.users ?? null,
    sessions: options.sessions ?? null,
    watches: options.watches ?? null,
    scripts: options.scripts ?? null,
    subscribers: options.subscribers ?? null,
    secret: options.secret ?? "none",
    clientHosts: options.clientHosts ?? 0,
    timing: { ...timing, ...options.timing },
    limits: { ...limits, ...NO_BOUNDS, ...options.limits },
    storage: { ...storage, ...options.storage },
    network: { ...network, ...options.network },
    disk: { ...disk, ...options.disk },
    clients: { ...clients, ...options.clients },
  });
}

export function readCase(path: string): Case {
  return JSON.parse(Deno.readTextFileSync(path)) as Case;
}

/** Writes what failed to `path`, whole: what seeds draw changes with the generator. */
export function writeCase(
  path: string,
  options: SimOptions,
  result: SimResult,
  about: string,
): void {
  const directory = path.slice(0, path.lastIndexOf("/"));
  if (directory !== "") Deno.mkdirSync(directory, { recursive: true });
  const kept: Case = { seed: options.seed, about, check: result.check ?? "", options };
  Deno.writeTextFileSync(path, JSON.stringify(kept, null, 2) + "\n");
}
