/** Bytes for people: whatever a key or value holds, a terminal only ever gets what can be seen. Pure. */
import { escapeUnseen, hexByte } from "../../util/unseen.ts";

// A byte order mark is data here, so it must not be dropped.
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** The text whose UTF-8 is exactly these bytes; null where there is none. */
export function exactText(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}

/** One line in which every byte can be told: `\n`, `\\`, `\x00`; text stays text. */
export function visible(bytes: Uint8Array): string {
  const text = exactText(bytes);
  if (text === null) return visibleBytes(bytes);
  let out = "";
  for (const character of text) out += visibleCharacter(character);
  return out;
}

/** The same of a text from elsewhere, such as a server's message. */
export function visibleText(text: string): string {
  return visible(encoder.encode(text));
}

/** `text` as a word of a command that can be given to a shell as it is shown: quoted where it has to be. */
export function shellWord(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function visibleCharacter(character: string): string {
  return character === "\\" ? "\\\\" : escapeUnseen(character);
}

/** No UTF-8: what is ASCII is shown as such. */
function visibleBytes(bytes: Uint8Array): string {
  let out = "";
  for (const byte of bytes) {
    out += byte < 0x80 ? visibleCharacter(String.fromCharCode(byte)) : hexByte(byte);
  }
  return out;
}
