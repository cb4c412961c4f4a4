/** A server's id as it is typed: `--id 1`, `RAFTKV_ID=1`. */

/** @throws {Error} where the text is no server id. */
export function parseServerId(text: string): number {
  const id = /^[0-9]{1,16}$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(id) && id > 0) return id;
  throw new Error(`${JSON.stringify(text)} is no server id: a positive whole number`);
}
