/** Characters that a terminal could take for an order to it, or shows as nothing, as text. Pure. */

const encoder = new TextEncoder();

/** Controls, marks of direction, ends of lines. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;
const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** `text` on one line, each such character as `\n` or `\x1b`; backslashes stay as they are. */
export function escapeUnseen(text: string): string {
  return text.replace(
    UNSEEN,
    (character) => SHORT[character] ?? [...encoder.encode(character)].map(hexByte).join(""),
  );
}

/** `\x1b` */
export function hexByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}
