/** Hashes of passwords by the runtime itself: whatever is asked for, an answer comes, and not from within. */
import { assert, assertEquals } from "@std/assert";
import type { ScryptParameters } from "../../lib/host/ports.ts";
import { SystemPasswords } from "../../lib/host/system_passwords.ts";
import { decodePassword, encodePassword } from "../../lib/kv/users/user.ts";
import { HashQueue, LET_IN } from "../../lib/node/security/hash_queue.ts";
import { ByteFormatError, ByteReader, ByteWriter } from "../../lib/util/bytes.ts";

const BYTES = new Uint8Array(16).fill(1);

function hash(queue: HashQueue, parameters: ScryptParameters): Promise<Uint8Array | null> {
  return new Promise((resolve) => {
    let isWithin = true;
    queue.add({
      password: BYTES,
      salt: BYTES,
      parameters,
      standing: () => LET_IN,
      done: (made) => {
        assert(!isWithin, "done from within the call");
        resolve(made);
      },
    });
    isWithin = false;
  });
}

Deno.test("a hash that the runtime refuses is told as one that could not be made, and the next is made", async () => {
  const queue = new HashQueue(new SystemPasswords(), () => performance.now());
  for (const parameters of [{ N: 3, r: 8, p: 1 }, { N: 2 ** 20, r: 0, p: 1 }]) {
    assertEquals(await hash(queue, parameters), null, JSON.stringify(parameters));
  }
  assertEquals((await hash(queue, { N: 16, r: 1, p: 1 }))?.length, 32);
});

Deno.test("what a password may be kept as can be hashed: the least, and much of r and p", async () => {
  const queue = new HashQueue(new SystemPasswords(), () => performance.now());
  const { salt, hash: kept } = { salt: BYTES, hash: BYTES };
  for (const [logN, r, p] of [[1, 1, 1], [1, 1, 255], [1, 255, 1], [15, 1, 1]] as const) {
    const out = new ByteWriter();
    encodePassword(out, { logN, r, p, salt, hash: kept });
    assertEquals(decodePassword(new ByteReader(out.copy())).logN, logN);
    const made = await hash(queue, { N: 2 ** logN, r, p });
    assertEquals(made?.length, 32, `${logN} ${r} ${p}`);
  }
});

Deno.test("a password that would take more than 256 MiB times a pass, or that scrypt has not, is no password", () => {
  const isKept = (logN: number, r: number, p: number): boolean => {
    const out = new ByteWriter();
    encodePassword(out, { logN, r, p, salt: BYTES, hash: BYTES });
    try {
      decodePassword(new ByteReader(out.copy()));
      return true;
    } catch (error) {
      assert(error instanceof ByteFormatError);
      return false;
    }
  };
  const cases: [number, number, number, boolean][] = [
    [14, 8, 1, true],
    [18, 8, 1, true],
    [19, 8, 1, false],
    [18, 8, 2, false],
    [24, 255, 255, false],
    [15, 1, 1, true],
    [16, 1, 1, false],
    [14, 0, 1, false],
    [14, 8, 0, false],
    [0, 8, 1, false],
  ];
  for (const [logN, r, p, kept] of cases) {
    assertEquals(isKept(logN, r, p), kept, `${logN} ${r} ${p}`);
  }
});
