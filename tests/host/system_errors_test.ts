import { assertEquals, assertMatch } from "@std/assert";
import { reasonOf } from "../../lib/host/system_errors.ts";

/** What is said of an error that `operation` at `path` really meets. */
function reason(path: string, operation: (path: string) => unknown): string {
  try {
    operation(path);
  } catch (error) {
    return reasonOf(path, error);
  }
  throw new Error(`${path}: nothing was wrong`);
}

function inTemporary(run: (directory: string) => void): void {
  const directory = Deno.makeTempDirSync({ prefix: "raftkv-test-" });
  try {
    run(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("system errors: what stands in the way of a directory is named", () => {
  inTemporary((directory) => {
    const make = (path: string) => Deno.mkdirSync(path, { recursive: true });
    Deno.writeTextFileSync(`${directory}/file`, "");
    Deno.symlinkSync("circle", `${directory}/circle`);
    const isFile =
      "is a file, and would have to be a directory: move it away, or choose another path";
    assertEquals(reason(`${directory}/file`, make), `it ${isFile}`);
    assertEquals(reason(`${directory}/file/a/b`, make), `${directory}/file ${isFile}`);
    const link = "is a symbolic link that leads to no directory: mend it or remove it";
    assertEquals(reason(`${directory}/circle`, make), `it ${link}`);
    const read = (path: string) => Deno.readTextFileSync(path);
    assertEquals(reason(`${directory}/circle/a`, read), `${directory}/circle ${link}`);
  });
});

Deno.test("system errors: the usual ones are sentences, the others lose number and call", () => {
  inTemporary((directory) => {
    const read = (path: string) => Deno.readTextFileSync(path);
    assertEquals(reason(directory, read), "it is a directory");
    assertEquals(reason(`${directory}/a`, read), "there is no such file or directory");
    const long = `${directory}/${"a".repeat(300)}`;
    assertMatch(reason(long, read), /^the name is longer than the file system allows: /);
  });
  const system = (code: string, message: string) => Object.assign(new Error(message), { code });
  const other = system("EXDEV", "Invalid cross-device link (os error 18): rename 'a' -> 'b'");
  assertEquals(reasonOf("a", other), "Invalid cross-device link");
  assertMatch(reasonOf("a", system("EROFS", "Read-only file system")), /mounted read-only/);
  assertMatch(reasonOf("a", system("EMFILE", "Too many open files")), /ulimit -n/);
  assertEquals(reasonOf("a", new Error("it is a symbolic link")), "it is a symbolic link");
  assertEquals(reasonOf("a", "text"), "text");
});

Deno.test("system errors: of what may not be used the owner and the mode are told", () => {
  inTemporary((directory) => {
    Deno.chmodSync(directory, 0o750);
    const denied = Object.assign(new Error("Permission denied (os error 13)"), { code: "EACCES" });
    const uid = Deno.statSync(directory).uid;
    const whose = `belongs to ${uid === 0 ? "root" : `user ${uid}`}, with mode 0750. Run this as`;
    assertEquals(reasonOf(directory, denied).includes(`permission denied: it ${whose}`), true);
    const below = reasonOf(`${directory}/a/b`, denied);
    assertEquals(below.includes(`permission denied: ${directory} ${whose}`), true, below);
  });
});
