/** A client as the tests see it, whatever library and language it is of. */

/** What the library's user gets: a value, or an error's text. */
export type Answer = { readonly value: string } | { readonly error: string };

/** One client, connected. */
export interface LibraryClient {
  incr(key: string): Promise<Answer>;
  close(): void | Promise<void>;
}
