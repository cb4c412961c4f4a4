/** Values as bytes, text or JSON: how each is sent, and shown. */
import { kept, text } from "./arguments.ts";
import { BadValue } from "./errors.ts";
import type { Argument } from "./request_writer.ts";

/** How values of type `Out` are shown and values of type `In` are sent. */
export interface ValueKind<Out, In> {
  /** Copies what could change later. @throws {TypeError} where it can't be sent as such a value. */
  encode(value: In): Argument;
  /** `bytes` are a view of something larger: what is kept is copied. @throws {BadValue} */
  decode(bytes: Uint8Array): Out;
}

export const asBytes: ValueKind<Uint8Array, Uint8Array | string> = {
  encode: (value) => kept("a value", value, "see client.json()"),
  decode: (bytes) => bytes.slice(),
};

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const asText: ValueKind<string, string> = {
  encode: (value) => text("a value of client.text", value, "see client.json()"),
  decode: toText,
};

export function asJson<T>(): ValueKind<T, T> {
  return {
    encode: (value) => {
      const json: string | undefined = JSON.stringify(value);
      if (json === undefined) throw new TypeError(`${typeof value} can't be written as JSON`);
      return json;
    },
    decode: (bytes) => {
      const json = toText(bytes);
      try {
        return JSON.parse(json) as T;
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
