/** Texts with a letter for each byte, and back: nothing is lost, whatever the bytes are. */

/** The bytes of a latin-1 text. */
export function latin1Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Up to so many bytes, letters are put together faster than a view is made. */
const SHORT_BYTES = 256;

/** The latin-1 text of `bytes[start, end)`. */
export function latin1(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  let text = "";
  let at = start;
  if (end - start > SHORT_BYTES) {
    // All bytes that become letters in one call are arguments of it.
    for (; at < end; at += 4_096) {
      const part = bytes.subarray(at, Math.min(end, at + 4_096));
      text += String.fromCharCode.apply(null, part as unknown as number[]);
    }
    return text;
  }
  for (; at + 8 <= end; at += 8) {
    text += String.fromCharCode(
      bytes[at]!,
      bytes[at + 1]!,
      bytes[at + 2]!,
      bytes[at + 3]!,
      bytes[at + 4]!,
      bytes[at + 5]!,
      bytes[at + 6]!,
      bytes[at + 7]!,
    );
  }
  for (; at < end; at++) text += String.fromCharCode(bytes[at]!);
  return text;
}
