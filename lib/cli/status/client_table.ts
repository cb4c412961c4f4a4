/** What servers say of their client connections, and the table of `raftkv clients`. Pure. */
import { escapeUnseen } from "../../util/unseen.ts";
import { type Column, table } from "../output/table.ts";
import { bytesText, secondsText } from "../output/units.ts";

/** A connection, as `raftkv clients --output json` has it. */
export interface ClientRow {
  readonly server: number;
  readonly id: number;
  readonly address: string;
  readonly name: string;
  readonly user: string;
  readonly protocol: "redis2" | "redis3" | "lines";
  readonly ageSeconds: number;
  readonly idleSeconds: number;
  /** The last one; "" where none is known. */
  readonly command: string;
  /** Of replies that it has not taken. */
  readonly waitingBytes: number;
  readonly memoryBytes: number;
  readonly library: string;
}

/** A line of CLIENT LIST. Fields that are not there, or no number, are empty or 0: builds may differ. */
export function clientRow(server: number, line: string): ClientRow {
  const fields = new Map(
    line.split(" ").map((field): [string, string] => {
      const at = field.indexOf("=");
      return [field.slice(0, at), field.slice(at + 1)];
    }),
  );
  const text = (name: string) => fields.get(name) ?? "";
  const number = (name: string) => /^\d{1,15}$/.test(text(name)) ? Number(text(name)) : 0;
  const version = number("resp");
  return {
    server,
    id: number("id"),
    address: text("addr"),
    name: text("name"),
    user: text("user"),
    protocol: version === 3 ? "redis3" : version === 2 ? "redis2" : "lines",
    ageSeconds: number("age"),
    idleSeconds: number("idle"),
    command: text("cmd") === "NULL" ? "" : text("cmd"),
    waitingBytes: number("obl"),
    memoryBytes: number("tot-mem"),
    library: [text("lib-name"), text("lib-ver")].filter((one) => one !== "").join(" "),
  };
}

const COLUMNS: readonly Column[] = [
  { title: "SERVER", right: true },
  { title: "ID", right: true },
  { title: "ADDRESS" },
  { title: "NAME" },
  { title: "USER" },
  { title: "PROTOCOL" },
  { title: "AGE", right: true },
  { title: "IDLE", right: true },
  { title: "COMMAND" },
  { title: "WAITS", right: true },
  { title: "MEMORY", right: true },
];

/** Nothing that a client said of itself gets to a terminal as it is. */
export function clientsText(rows: readonly ClientRow[]): string {
  return table(
    COLUMNS,
    rows.map((one) => [
      `${one.server}`,
      `${one.id}`,
      shown(one.address),
      shown(one.name),
      shown(one.user),
      one.protocol,
      secondsText(one.ageSeconds),
      secondsText(one.idleSeconds),
      shown(one.command),
      bytesText(one.waitingBytes),
      bytesText(one.memoryBytes),
    ]),
  );
}

function shown(text: string): string {
  return text === "" ? "-" : escapeUnseen(text);
}
