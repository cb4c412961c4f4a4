/**
 * Logs: one line an event, to standard error. Text for a person at a terminal, JSON lines elsewhere.
 * Any field may hold what came from outside: control characters are escaped in both forms.
 */
import { configureSync, getLogger, type LogLevel, type LogRecord } from "@logtape/logtape";
import type { LogEvent } from "./node/api.ts";

export type LogFormat = "text" | "json";

export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;

export interface LoggingOptions {
  readonly format: LogFormat;
  /** Events below this level are dropped. */
  readonly level: LogEvent["level"];
  readonly write: (line: string) => void;
}

export type Log = (event: LogEvent) => void;

/** Sets up the process's logging (a later call replaces an earlier one); returns what to log with. */
export function startLogging(options: LoggingOptions): Log {
  const format = options.format === "json" ? jsonLine : textLine;
  configureSync({
    reset: true,
    sinks: { standardError: (record) => options.write(format(record)) },
    loggers: [
      { category: ["raftkv"], sinks: ["standardError"], lowestLevel: options.level },
      { category: ["logtape", "meta"], sinks: ["standardError"], lowestLevel: "error" },
    ],
  });
  const logger = getLogger(["raftkv"]);
  return (event) => {
    switch (event.level) {
      case "debug":
        return logger.debug(event.message, event.fields);
      case "info":
        return logger.info(event.message, event.fields);
      case "warning":
        return logger.warn(event.message, event.fields);
      case "error":
        return logger.error(event.message, event.fields);
    }
  };
}

/** The message as it was given: braces in it are no template. */
function messageOf(record: LogRecord): string {
  return typeof record.rawMessage === "string" ? record.rawMessage : record.rawMessage.join("…");
}

/** `{"time":"…","level":"info","message":"…",…fields}`. A field never replaces one of the three. */
function jsonLine(record: LogRecord): string {
  const line: Record<string, unknown> = {
    time: new Date(record.timestamp).toISOString(),
    level: record.level,
    message: messageOf(record),
  };
  for (const [key, value] of Object.entries(record.properties)) {
    line[Object.hasOwn(line, key) ? `${key}_` : key] = value;
  }
  return escapeControls(JSON.stringify(line)) + "\n";
}

const LEVEL_WORDS: Readonly<Partial<Record<LogLevel, string>>> = {
  debug: "DEBUG",
  info: "INFO ",
  warning: "WARN ",
  error: "ERROR",
};

/** `12:03:04.567 INFO  Leads in term 3  term=3 lastIndex=17`; the time is UTC. */
function textLine(record: LogRecord): string {
  const time = new Date(record.timestamp).toISOString().slice(11, 23);
  let fields = "";
  for (const [key, value] of Object.entries(record.properties)) fields += ` ${key}=${word(value)}`;
  const message = messageOf(record) + (fields === "" ? "" : ` ${fields}`);
  return escapeControls(`${time} ${LEVEL_WORDS[record.level] ?? record.level} ${message}`) + "\n";
}

/** Quoted where a reader could not tell where it ends. */
function word(value: unknown): string {
  const text = String(value);
  return text === "" || /[\s"=]/.test(text) ? JSON.stringify(text) : text;
}

/** Terminal escapes, line ends and what else could forge a line, as \uXXXX. */
function escapeControls(text: string): string {
  return text.replace(
    /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
