/**
 * Prepares what `deno compile` embeds, which is resident for as long as the server runs:
 *
 *   stage_build.ts PROJECT INTO NPM_CACHE
 *
 * puts main.ts, lib/ and the lock into INTO, and a deno.json that imports what these name alone (all
 * packages of the import map would be embedded, the tests' too). Prints `--exclude` flags for the
 * files of those packages that never run: types, maps, other module formats.
 */

export interface ProjectConfig {
  readonly imports: Readonly<Record<string, string>>;
}

/** The config with those imports alone that some of `sources` names. */
export function withUsedImports<T extends ProjectConfig>(config: T, sources: readonly string[]): T {
  const named = new Set<string>();
  for (const source of sources) {
    for (const match of source.matchAll(/\b(?:from|import)[\s(]*"([^".][^"]*)"/g)) {
      named.add(match[1]!);
    }
  }
  const used = Object.entries(config.imports).filter(([name]) => named.has(name));
  return { ...config, imports: Object.fromEntries(used) };
}

/** `npm:@scope/name@1.2.3/mod.js` as the package's directory below a registry's: `@scope/name/1.2.3`. */
export function packageDirectory(specifier: string): string | null {
  const match = /^npm:((?:@[^/@]+\/)?[^/@]+)@([^/]+)/.exec(specifier);
  return match === null ? null : `${match[1]}/${match[2]}`;
}

/** True for a package's files that only a compiler, a debugger, a reader or `require` would open. */
export function neverRuns(path: string): boolean {
  return /\.(?:map|md|cjs|d\.[cm]?ts)$|\.min\.[cm]?js$/.test(path);
}

function stage(project: string, into: string, npmCache: string): string[] {
  const paths = [`${project}/main.ts`, ...filesBelow(`${project}/lib`)];
  const sources = paths.map((path) => {
    const target = into + path.slice(project.length);
    Deno.mkdirSync(target.slice(0, target.lastIndexOf("/")), { recursive: true });
    Deno.copyFileSync(path, target);
    return Deno.readTextFileSync(path);
  });
  Deno.copyFileSync(`${project}/deno.lock`, `${into}/deno.lock`);
  const config = JSON.parse(Deno.readTextFileSync(`${project}/deno.json`)) as ProjectConfig;
  const staged = withUsedImports(config, sources);
  Deno.writeTextFileSync(`${into}/deno.json`, JSON.stringify(staged, null, 2));
  return Object.values(staged.imports).flatMap((specifier) => unused(npmCache, specifier));
}

/** The files of a package that never run, as far as it is in the cache. */
function unused(npmCache: string, specifier: string): string[] {
  const directory = packageDirectory(specifier);
  if (directory === null) return [];
  const found: string[] = [];
  for (const registry of Deno.readDirSync(npmCache)) {
    try {
      found.push(...filesBelow(`${npmCache}/${registry.name}/${directory}`).filter(neverRuns));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return found;
}

function filesBelow(directory: string): string[] {
  return [...Deno.readDirSync(directory)].flatMap(({ name, isDirectory }) => {
    const path = `${directory}/${name}`;
    return isDirectory ? filesBelow(path) : [path];
  });
}

if (import.meta.main) {
  const [project = "", into = "", npmCache = ""] = Deno.args;
  for (const path of stage(project, into, npmCache)) console.log(`--exclude=${path}`);
}
