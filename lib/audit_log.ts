/**
 * The audit log that the cluster file asks for: a line of JSON for each command, in files that follow each
 * other. Clients never wait for it: lines are gathered in memory, up to a bound, and written beside the loop.
 * What the disk does not take in time is dropped, counted, and said; the log itself says where.
 */
import type { AuditConfig } from "./config_audit.ts";
import type { Clock } from "./host/ports.ts";
import { RotatedFile } from "./host/rotated_file.ts";
import { COMMAND_NUMBER_MAX, COMMAND_NUMBERS } from "./kv/users/command_numbers.ts";
import type { AuditFacts, LogEvent } from "./node/api.ts";
import type { AuditCodec, AuditEntry, AuditTrail } from "./wire/audit.ts";
import { AuditedCodec } from "./wire/audited_codec.ts";

export interface AuditLogOptions {
  readonly audit: AuditConfig;
  readonly serverId: number;
  readonly clock: Clock;
  readonly log: (event: LogEvent) => void;
}

/** Whatever is asked for, these are in it: who tries to get in, and who changes users or members. */
const ALWAYS = [
  ...["auth", "hello", "acl|setuser", "acl|deluser", "raftkv.user", "raftkv.leader"],
  ...["add", "remove", "replace", "promote", "demote"].map((one) => `raftkv.member|${one}`),
];

/** Lines that wait for the disk; beyond that they are dropped. */
const WAITING_CHARACTERS_MAX = 4_194_304;
/** Gathered for so long, or to so many, they are written together. */
const GATHER_MS = 200;
const PIECE_CHARACTERS = 131_072;
/** After a failure. */
const RETRY_MS = 1_000;
/** How long a stop waits for the last lines. */
const STOP_MAX_MS = 1_500;

const encoder = new TextEncoder();

export class AuditLog implements AuditTrail {
  readonly #options: AuditLogOptions;
  readonly #file: RotatedFile;
  readonly #wanted: Uint8Array;
  #lines: string[] = [];
  #characters = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** What the timer is for does not wait. */
  #isDueNow = false;
  #writing: Promise<void> | null = null;
  #isFailing = false;
  #isStopped = false;
  #written = 0;
  #dropped = 0;
  /** Of these, those that no line tells of yet. */
  #untold = 0;

  constructor(options: AuditLogOptions) {
    this.#options = options;
    const { path, fileBytesMax, keep, commands } = options.audit;
    const name = `audit-${options.serverId}.log`;
    this.#file = new RotatedFile({ directory: path, name, bytesMax: fileBytesMax, keep });
    this.#wanted = wantedNumbers(commands);
  }

  get facts(): AuditFacts {
    return { written: this.#written, dropped: this.#dropped, isFailing: this.#isFailing };
  }

  readonly codec: AuditCodec = (codec, access, remote) => {
    return new AuditedCodec(codec, this, access, remote);
  };

  wants(command: number): boolean {
    return this.#wanted[command] === 1;
  }

  note(
    { user, remote, command, target, keys, prefixes, isQueued, outcome, error }: AuditEntry,
  ): void {
    if (this.#characters >= WAITING_CHARACTERS_MAX || this.#isStopped) return this.#drop();
    if (this.#untold > 0) this.#tellGap();
    this.#add({
      ...{ time: this.#time(), server: this.#options.serverId, user, from: remote, command },
      ...(target !== undefined && { target }),
      ...(keys > 0 && { keys, prefixes }),
      ...(isQueued && { in: "exec" }),
      outcome,
      ...(error !== undefined && { error }),
    });
    const waitMs = this.#characters >= PIECE_CHARACTERS ? 0 : GATHER_MS;
    if (this.#writing === null && !this.#isFailing) this.#schedule(waitMs);
  }

  /** Writes what there is, as far as the disk takes it in time. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, STOP_MAX_MS));
    await Promise.race([this.#drain(), late]);
    clearTimeout(timer);
    this.#file.close();
    const lines = this.#lines.length;
    if (lines === 0) return;
    const message = "The audit log ends before its last lines: the disk did not take them";
    this.#options.log({ level: "error", message, fields: { lines } });
  }

  async #drain(): Promise<void> {
    await this.#writing;
    await this.#writeAll();
  }

  #time(): string {
    return new Date(this.#options.clock.wallMs()).toISOString();
  }

  #add(fields: Readonly<Record<string, unknown>>): void {
    const line = `${JSON.stringify(fields)}\n`;
    this.#lines.push(line);
    this.#characters += line.length;
  }

  #drop(): void {
    this.#dropped++;
    this.#untold++;
  }

  /** A line in the place of those that were dropped. */
  #tellGap(): void {
    this.#add({ time: this.#time(), server: this.#options.serverId, dropped: this.#untold });
    this.#untold = 0;
  }

  #schedule(ms: number): void {
    // What is due at once does not wait for what was due later.
    if (this.#timer !== null && (ms > 0 || this.#isDueNow)) return;
    this.#cancel();
    this.#isDueNow = ms === 0;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#writing = this.#writeAll().then((isTaken) => {
        this.#writing = null;
        if (this.#isStopped || this.#lines.length === 0) return;
        this.#schedule(isTaken ? GATHER_MS : RETRY_MS);
      });
    }, ms);
  }

  #cancel(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  async #writeAll(): Promise<boolean> {
    while (this.#lines.length > 0 || this.#untold > 0) {
      if (this.#lines.length === 0) this.#tellGap();
      if (!await this.#writePiece()) return false;
    }
    return true;
  }

  /** False where the disk does not take it: the lines wait on. */
  async #writePiece(): Promise<boolean> {
    let count = 0;
    for (let characters = 0; characters < PIECE_CHARACTERS && count < this.#lines.length; count++) {
      characters += this.#lines[count]!.length;
    }
    const text = this.#lines.slice(0, count).join("");
    try {
      await this.#file.append(encoder.encode(text));
    } catch (error) {
      this.#failed((error as Error).message);
      return false;
    }
    for (const line of this.#lines.splice(0, count)) this.#characters -= line.length;
    this.#written += count;
    if (this.#isFailing) this.#recovered();
    return true;
  }

  #failed(reason: string): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    const message = "The audit log can't be written: what clients do is not noted";
    this.#options.log({ level: "error", message, fields: { reason } });
  }

  #recovered(): void {
    this.#isFailing = false;
    const message = "The audit log is written again";
    this.#options.log({ level: "info", message, fields: { dropped: this.#dropped } });
  }
}

/** By number, 1 where it is wanted. What is no command at all is wanted where all are. */
function wantedNumbers(commands: readonly string[]): Uint8Array {
  const wanted = new Uint8Array(COMMAND_NUMBER_MAX + 1);
  const isAll = commands.includes("@all");
  wanted[0] = isAll ? 1 : 0;
  for (const { number, name, categories } of COMMAND_NUMBERS) {
    const container = name.split("|")[0]!;
    const isNamed = commands.includes(name) || commands.includes(container) ||
      categories.some((category) => commands.includes(`@${category}`));
    wanted[number] = isAll || isNamed || ALWAYS.includes(name) ? 1 : 0;
  }
  return wanted;
}
