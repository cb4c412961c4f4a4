/** The one-time secret in a data directory: good once, for a while, and only where nobody else could put it. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  removeUserReset,
  RESET_MS,
  USER_RESET_FILE,
  UserResetFile,
  writeUserReset,
} from "../../lib/host/user_reset_file.ts";

const NOW_MS = 1_800_000_000_000;

/** A directory, and what the server whose it is makes of secrets at `nowMs`. */
class Place {
  readonly directory = Deno.makeTempDirSync({ prefix: "raftkv-reset-" });
  readonly file = `${this.directory}/${USER_RESET_FILE}`;
  nowMs = NOW_MS;
  readonly server = new UserResetFile(this.directory, () => this.nowMs);

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }

  get names(): string[] {
    return [...Deno.readDirSync(this.directory)].map(({ name }) => name);
  }
}

Deno.test("user reset: a secret is good once, and gone from the disk before it counts", () => {
  using place = new Place();
  const secret = writeUserReset(place.directory, NOW_MS);
  assertMatch(secret, /^[0-9a-f]{64}$/);
  assertEquals(place.server.problem(secret), null);
  assertEquals(place.names, [USER_RESET_FILE]);
  assertEquals(place.server.take(secret), null);
  assertEquals(place.names, []);
  assertMatch(place.server.take(secret)!, /none was left .*, or it was used/);
  assertMatch(place.server.problem(secret)!, /none was left/);
});

Deno.test("user reset: the file has mode 0600, and the secret is not in it", () => {
  using place = new Place();
  const secret = writeUserReset(place.directory, NOW_MS);
  assertEquals(Deno.statSync(place.file).mode! & 0o777, 0o600);
  assert(!Deno.readTextFileSync(place.file).includes(secret));
});

Deno.test("user reset: a later secret takes the place of the one before", () => {
  using place = new Place();
  const first = writeUserReset(place.directory, NOW_MS);
  Deno.writeTextFileSync(`${place.file}.new`, "a command that was killed left it");
  const second = writeUserReset(place.directory, NOW_MS);
  assertEquals(place.names, [USER_RESET_FILE]);
  assertEquals(place.server.problem(first), "this is not the secret that was left");
  assertEquals(place.server.take(second), null);
});

Deno.test("user reset: a wrong secret uses nothing up", () => {
  using place = new Place();
  const secret = writeUserReset(place.directory, NOW_MS);
  for (const wrong of ["", "x", `${secret}x`, secret.toUpperCase(), "0".repeat(64)]) {
    assertEquals(place.server.take(wrong), "this is not the secret that was left", wrong);
  }
  assertEquals(place.server.take(secret), null);
});

Deno.test("user reset: it is good for 15 minutes, and not for longer where the clock was set back", () => {
  using place = new Place();
  const secret = writeUserReset(place.directory, NOW_MS);
  for (const [atMs, isGood] of [[RESET_MS, false], [RESET_MS - 1, true], [-1, false]] as const) {
    place.nowMs = NOW_MS + atMs;
    const problem = place.server.problem(secret);
    assertEquals(problem, isGood ? null : "the secret has expired: run raftkv user reset again");
  }
  assertEquals(place.names, [USER_RESET_FILE]);
});

Deno.test("user reset: a file that others may use, or that is none, is refused in words", () => {
  using place = new Place();
  const secret = writeUserReset(place.directory, NOW_MS);
  for (const mode of [0o640, 0o604, 0o620]) {
    Deno.chmodSync(place.file, mode);
    assertMatch(place.server.take(secret)!, /others than its owner may use it .*chmod 600/);
  }
  Deno.chmodSync(place.file, 0o600);
  assertEquals(place.server.problem(secret), null);
  for (const text of ["", "x", `${"0".repeat(64)} 1e99\n`, "y".repeat(100_000)]) {
    Deno.writeTextFileSync(place.file, text);
    assertMatch(place.server.take(secret)!, /holds no secret|more than 4096 bytes/);
  }
  Deno.removeSync(place.file);
  Deno.mkdirSync(place.file);
  assertMatch(place.server.take(secret)!, /it is no file/);
});

Deno.test(
  "user reset: the server could not read what another user leaves: nothing is left, and it is said",
  {
    ignore: Deno.uid() !== 0, // only root can give a directory away
  },
  () => {
    using place = new Place();
    Deno.chownSync(place.directory, 4_711, null);
    const said = assertThrows(() => writeUserReset(place.directory, NOW_MS), Error).message;
    assertMatch(said, /the directory belongs to user 4711, .*sudo -u '#4711'/);
    assertEquals(place.names, []);
  },
);

Deno.test("user reset: what is not used is taken back; a directory that is not there is said", () => {
  using place = new Place();
  writeUserReset(place.directory, NOW_MS);
  removeUserReset(place.directory);
  removeUserReset(place.directory);
  assertEquals(place.names, []);
  assertThrows(
    () => writeUserReset(`${place.directory}/1`, NOW_MS),
    Error,
    "Cannot leave a secret",
  );
});
