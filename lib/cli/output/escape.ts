/** Bytes for people: whatever a key or value holds, a terminal only ever gets what can be seen. Pure. */

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

/** What a terminal could take for an order to it, or shows as nothing: controls, marks of direction. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u;

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

function visibleCharacter(character: string): string {
  if (character === "\\") return "\\\\";
  if (character === "\n") return "\\n";
  if (character === "\r") return "\\r";
  if (character === "\t") return "\\t";
  if (!UNSEEN.test(character)) return character;
  return [...encoder.encode(character)].map(hexByte).join("");
}

/** No UTF-8: what is ASCII is shown as such. */
function visibleBytes(bytes: Uint8Array): string {
  let out = "";
  for (const byte of bytes) {
    out += byte < 0x80 ? visibleCharacter(String.fromCharCode(byte)) : hexByte(byte);
  }
  return out;
}

function hexByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}
