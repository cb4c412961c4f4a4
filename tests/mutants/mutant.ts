/**
 * Bugs put in on purpose, as patches to a copy of the tree: what the simulator has to find. A patch
 * that does not match exactly once fails the build, so that no mutant dies of a renaming.
 */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  /** `given` ones have the numbers of the reference's list. */
  readonly name: string;
  readonly about: string;
  readonly edits: readonly Edit[];
}

export function mutant(
  name: string,
  about: string,
  ...edits: (readonly [string, string, string])[]
): Mutant {
  return {
    name,
    about,
    edits: edits.map(([file, find, replace]) => ({ file: `lib/${file}`, find, replace })),
  };
}
