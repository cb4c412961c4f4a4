/** A value on standard output: its bytes where a program reads them, one visible line for a person. */
import type { OutputForm, Tool } from "../tool.ts";
import { visible } from "./escape.ts";

export async function printValue(
  tool: Tool,
  value: Uint8Array,
  form: OutputForm | undefined,
): Promise<void> {
  const isForPerson = form !== "raw" && tool.console.outIsTerminal;
  await tool.print(isForPerson ? `${visible(value)}\n` : value);
}
