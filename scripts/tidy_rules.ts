/** The house rules, each a function from a file's text to findings. Pure: the tests call them. */
import { folderFault } from "./tidy_folders.ts";
import { importsOf, resolve } from "./tidy_imports.ts";
import { functionLengths, stripSource } from "./tidy_source.ts";

export interface Finding {
  readonly line: number;
  readonly message: string;
}

const LINE_COLUMNS_MAX = 100;
/** The formatter leaves comments alone, so a line of one may be a word longer. */
const COMMENT_COLUMNS_MAX = 110;
const FUNCTION_LINES_MAX = 70;
const FILE_LINES_MAX = 350;

const PURE = /^lib\/(raft|kv|wire|node|storage|util)\//;

interface Ban {
  readonly pattern: RegExp;
  readonly where: (path: string) => boolean;
  readonly instead: string;
}

const inPure = (path: string) => PURE.test(path);
const inLib = (path: string) => path.startsWith("lib/");

const BANS: readonly Ban[] = [
  {
    pattern: /\b(setTimeout|setInterval|setImmediate|queueMicrotask)\b/,
    where: inPure,
    instead: "tell by nextDeadlineMs() when time matters, and act in elapse(nowMs)",
  },
  {
    pattern: /\b(Date\.now|new Date|performance\.now)\b/,
    where: inPure,
    instead: "ask the Clock of host/ports.ts that is passed in",
  },
  {
    pattern: /\bMath\.random\b|\bcrypto\./,
    where: inLib,
    instead: "draw from the Rng of host/ports.ts that is passed in",
  },
  {
    pattern: /\b(await|async)\b/,
    where: inPure,
    instead: "let the completion come back as a call or an event",
  },
  {
    pattern: /\b\d[\d_]*n\b|\bBigInt\b/,
    where: inPure,
    instead: "use a safe integer, or two u32 halves (util/bytes.ts)",
  },
  {
    pattern: /\bDeno\./,
    where: inLib,
    instead: "put the call behind a port in lib/host/",
  },
  {
    pattern: /\b(Deno|process|Buffer)\./,
    where: (path) => path.startsWith("client/"),
    instead: "the client runs on Deno and on Node: take what both have",
  },
  {
    pattern: /\bDeno\.(listen|connect)\b/,
    where: (path) => path.startsWith("lib/host/") && path !== "lib/host/tcp.ts",
    instead: "use TcpTransport of lib/host/tcp.ts",
  },
  {
    pattern: /(?<![\w.$])any(?=\s*(\[\]|[;,)>=|&{]|$))(?<=[:<|&,(]\s*any|\bas any)/,
    where: (path) => path.endsWith(".ts"),
    instead: "say the type, or unknown",
  },
];

/** Exceptions to the bans: the files whose purpose it is to call what is banned elsewhere. */
const ALLOWED: Readonly<Record<string, RegExp>> = {
  "lib/host/system_rng.ts": /crypto\./,
};

/** Everything that the rules find in one file; `path` is relative to the project's root. */
export function checkFile(path: string, text: string): Finding[] {
  const findings = [...checkText(path, text)];
  if (path.endsWith(".ts")) findings.push(...checkSource(path, text));
  return findings.sort((a, b) => a.line - b.line);
}

// The forbidden words are put together here so that this file does not contain them.
const HOST_WORDS = ["registry" + ".npm", "npm" + "js.org", "npm" + "mirror", "dl.deno" + ".land"];
const MACHINE_PATH = new RegExp("(^|[^\\w.])/(work|farm)" + "/");
const LEFTOVER = new RegExp("\\b(TO" + "DO|FIX" + "ME|XX" + "X|HA" + "CK)\\b");
const SILENCED = new RegExp("@ts" + "-(ignore|nocheck|expect-error)|deno-" + "lint-ignore");

function* checkText(path: string, text: string): Generator<Finding> {
  const lines = text.split("\n");
  // Markdown and JSON wrap by themselves, a program draws; a test's name may be as long as it must.
  const mayBeLong = /\.(md|json|lock|svg|html)$/.test(path) || path.startsWith("tests/");
  for (const [at, content] of lines.entries()) {
    const line = at + 1;
    if (MACHINE_PATH.test(content)) {
      yield { line, message: "names a path of one machine: make it relative" };
    }
    const host = HOST_WORDS.find((word) => content.includes(word));
    if (host !== undefined) yield { line, message: `names the host ${host}: leave it out` };
    if (LEFTOVER.test(content)) {
      yield { line, message: "a mark left over: do it now, or write down why not" };
    }
    if (SILENCED.test(content)) {
      yield { line, message: "silences the checker: mend what it found" };
    }
    const most = /^\s*(\*|\/\/|\/\*|#)/.test(content) ? COMMENT_COLUMNS_MAX : LINE_COLUMNS_MAX;
    if (!mayBeLong && content.length > most) {
      yield { line, message: `${content.length} columns, at most ${most}` };
    }
  }
}

function* checkSource(path: string, text: string): Generator<Finding> {
  const stripped = stripSource(text);
  const isTest = path.startsWith("tests/");
  const lines = stripped.split("\n");
  for (const [at, code] of lines.entries()) yield* checkBans(path, code, at + 1);
  yield* checkImports(path, text);
  if (isTest) {
    if (text.includes("Deno.test")) yield* checkTests(text, stripped);
    return;
  }
  const count = text.trimEnd().split("\n").length;
  if (count > FILE_LINES_MAX) {
    yield { line: 1, message: `${count} lines, at most ${FILE_LINES_MAX}: one idea a file` };
  }
  for (const { name, line, lines: length } of functionLengths(stripped)) {
    if (length > FUNCTION_LINES_MAX) {
      yield { line, message: `${name} has ${length} lines, at most ${FUNCTION_LINES_MAX}` };
    }
  }
}

function* checkBans(path: string, code: string, line: number): Generator<Finding> {
  for (const { pattern, where, instead } of BANS) {
    if (!where(path)) continue;
    // Everything of Deno may be called in host/; the second ban says what may not.
    if (pattern.source === "\\bDeno\\." && path.startsWith("lib/host/")) continue;
    const hit = pattern.exec(code);
    if (hit === null || ALLOWED[path]?.test(hit[0])) continue;
    yield { line, message: `${hit[0].trim()} is banned here: ${instead}` };
  }
}

function* checkImports(path: string, text: string): Generator<Finding> {
  for (const { specifier, line } of importsOf(text)) {
    if (/^(https?:|npm:|jsr:)/.test(specifier) && !/^(lib|tests)\/packages\//.test(path)) {
      yield { line, message: `${specifier}: outside packages come through lib/packages/` };
    }
    const outside = clientFault(path, specifier) ?? pageFault(path, specifier);
    if (outside !== null) yield { line, message: outside };
    if (!path.startsWith("lib/")) continue;
    if (specifier.startsWith("@std/assert")) {
      yield { line, message: "lib uses util/assert.ts: its assertions name what is broken" };
    }
    if (!specifier.startsWith(".")) continue;
    const target = resolve(path, specifier);
    if (/^(tests|scripts|bench)\//.test(target)) {
      yield { line, message: `lib must not import ${target}` };
    }
    const fault = folderFault(path, target);
    if (fault !== null) yield { line, message: fault };
  }
}

/** The client is a package of its own: it needs nothing but sockets and keys, and no server needs it. */
function clientFault(path: string, specifier: string): string | null {
  const target = specifier.startsWith(".") ? resolve(path, specifier) : specifier;
  if (path.startsWith("client/")) {
    if (target.startsWith("client/") || /^node:(net|tls|crypto)$/.test(target)) return null;
    return `client must not import ${target}: it may import itself and node:net, tls and crypto`;
  }
  if (!target.startsWith("client/") || path.startsWith("tests/")) return null;
  if (path.startsWith("lib/") && !path.startsWith("lib/cli/")) {
    return `lib must not import ${target}: lib/cli alone may`;
  }
  return target === "client/mod.ts" ? null : `${target} is the client's own: take client/mod.ts`;
}

/** The live page is one script in a browser; no server runs any of it. */
function pageFault(path: string, specifier: string): string | null {
  const target = specifier.startsWith(".") ? resolve(path, specifier) : specifier;
  if (path.startsWith("page/")) {
    if (/^page\/|^uplot$|^lib\/wire\/status\.ts$/.test(target)) return null;
    return `page must not import ${target}: it may import itself, and types of lib/wire/status.ts`;
  }
  const isInServer = /^(lib|client)\//.test(path) && target.startsWith("page/");
  return isInServer ? `${path} must not import ${target}: it is for browsers` : null;
}

/** A test that is left out says why, on its line or the one above; none leaves all others out. */
function* checkTests(text: string, stripped: string): Generator<Finding> {
  const original = text.split("\n");
  for (const [at, code] of stripped.split("\n").entries()) {
    const hit = /\b(only|ignore)\s*:\s*|\bDeno\.test\.(only|ignore)\b/.exec(code);
    if (hit === null) continue;
    const word = hit[1] ?? hit[2];
    const hasReason = [original[at]!, original[at - 1] ?? ""].some((one) => /\/\/ \S/.test(one));
    if (word === "only") yield { line: at + 1, message: "only leaves all other tests out" };
    else if (!hasReason) {
      yield { line: at + 1, message: "an ignored test needs its reason in a comment" };
    }
  }
}
