/** `raftkv watch`, once its flags are parsed. */
import type { WatchEvent, WatchGroup } from "../../../client/mod.ts";
import type { ClientFlags, OutputFlags } from "../connect/flag_types.ts";
import { withClient } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { visible } from "../output/escape.ts";
import { bytesField } from "../output/records.ts";
import { outputForm, runTool } from "../tool.ts";

export type WatchFlags = ClientFlags & OutputFlags & {
  readonly after?: string;
  readonly limit?: number;
};

export async function runWatch(this: CliContext, flags: WatchFlags, key: string): Promise<void> {
  await runTool(this, async (tool) => {
    const line = outputForm(flags.output, tool.host, undefined) === "json" ? jsonLine : textLine;
    const { after, limit = Infinity } = flags;
    await withClient(tool, flags, async ({ client }) => {
      const options = { signal: tool.signal, ...(after !== undefined && { after }) };
      let told = 0;
      for await (const group of client.watch(key, options)) {
        await tool.print(group.events.map((event) => line(group, event)).join(""));
        told += group.events.length;
        if (told >= limit) break;
      }
    });
  });
}

type Line = (group: WatchGroup<Uint8Array>, event: WatchEvent<Uint8Array>) => string;

const jsonLine: Line = ({ revision, position }, { kind, key, version, value }) => {
  const document = {
    revision,
    position,
    event: kind,
    ...(key !== null && { ...bytesField("key", key), version }),
    ...(value !== null && bytesField("value", value)),
  };
  return `${JSON.stringify(document)}\n`;
};

/** For people: what is no text is shown so that it stays one line. */
const textLine: Line = ({ revision }, { kind, key, version, value }) => {
  const words = [`${revision}`, kind];
  if (key !== null) words.push(visible(key), `${version}`);
  if (value !== null) words.push(visible(value));
  return `${words.join(" ")}\n`;
};
