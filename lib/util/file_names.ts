/** What is given as the name of a file. */

/**
 * Contents, and no name: a key or a secret that was put where its file is meant. It must be shown nowhere,
 * as names are.
 */
export function isContents(name: string): boolean {
  return /[\r\n]|-----BEGIN/.test(name);
}
