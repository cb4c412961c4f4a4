/** Values as bytes, text or JSON: how each is sent, and shown. */
import { BadValue } from "./errors.ts";
import type { Argument } from "./request_writer.ts";

/** How values of type `Out` are shown and values of type `In` are sent. */
export interface ValueKind<Out, In> {
  /** Copies what could change later. */
  encode(value: In): Argument;
  /** `bytes` are a view of something larger: what is kept is copied. @throws {BadValue} */
  decode(bytes: Uint8Array): Out;
}

export const asBytes: ValueKind<Uint8Array, Uint8Array | string> = {
  encode: (value) => typeof value === "string" ? value : new Uint8Array(value),
  decode: (bytes) => bytes.slice(),
};

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const asText: ValueKind<string, string> = {
  encode: (value) => value,
  decode: toText,
};

export function asJson<T>(): ValueKind<T, T> {
  return {
    encode: (value) => {
      const text: string | undefined = JSON.stringify(value);
      if (text === undefined) throw new TypeError(`${typeof value} can't be written as JSON`);
      return text;
    },
    decode: (bytes) => {
      const text = toText(bytes);
      try {
        return JSON.parse(text) as T;
      } catch (error) {
        throw badValue("JSON", error);
      }
    },
  };
}

/** @throws {BadValue} where it is no UTF-8. */
export function toText(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw badValue("UTF-8", error);
  }
}

function badValue(what: string, cause: unknown): BadValue {
  const message = `the value is there and is no ${what}: read it as bytes, or see who wrote it`;
  return new BadValue(message, { code: "value", server: null, phase: "reply", cause });
}
