/**
 * What `deno compile` need not embed; all that it embeds is resident for as long as the server runs:
 *
 *   build_exclusions.ts LOCK NPM_CACHE
 *
 * prints `--exclude` flags for those files of the lock's packages that never run: types, maps, other
 * module formats.
 */

/** The directories below a registry's of the packages in a lock's text: `@scope/name/1.2.3`. */
export function packageDirectories(lock: string): string[] {
  const { npm = {} } = JSON.parse(lock) as { npm?: Readonly<Record<string, unknown>> };
  return Object.keys(npm).map((key) => {
    // What stands after an underscore are the peers that it was resolved with.
    const match = /^((?:@[^/@]+\/)?[^/@]+)@([^_]+)/.exec(key);
    if (match === null) throw new Error(`The lock names a package that is none: ${key}`);
    return `${match[1]}/${match[2]}`;
  });
}

/** True for a package's files that only a compiler, a debugger, a reader or `require` would open. */
export function neverRuns(path: string): boolean {
  return /\.(?:map|md|cjs|d\.[cm]?ts)$|\.min\.[cm]?js$/.test(path);
}

/** The files of a package that never run, as far as it is in the cache. */
function unused(npmCache: string, directory: string): string[] {
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
  const [lock = "", npmCache = ""] = Deno.args;
  for (const directory of packageDirectories(Deno.readTextFileSync(lock))) {
    for (const path of unused(npmCache, directory)) console.log(`--exclude=${path}`);
  }
}
