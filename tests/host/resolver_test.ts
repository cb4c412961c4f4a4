import { assert, assertEquals, assertRejects } from "@std/assert";
import { Resolver } from "../../lib/host/resolver.ts";

/** A system whose name server answers when the test says so. */
function setUp() {
  const asked: string[] = [];
  let answer = (_addresses: string[]) => {};
  let fail = (_code: string) => {};
  const resolver = new Resolver((name) => {
    asked.push(name);
    return new Promise((resolve, reject) => {
      answer = resolve;
      fail = (code) => reject(Object.assign(new Error(`getaddrinfo ${code} ${name}`), { code }));
    });
  });
  return {
    resolver,
    asked,
    answer: (addresses: string[]) => answer(addresses),
    fail: (code: string) => fail(code),
  };
}

Deno.test("resolver: an address is its own, and nobody is asked for it", async () => {
  const { resolver, asked } = setUp();
  for (const address of ["127.0.0.1", "::1", "fe80::1%eth0", "0.0.0.0"]) {
    assertEquals(await resolver.resolve(address, 1_000), [address]);
  }
  assertEquals(asked, []);
});

Deno.test("resolver: a name server that does not answer is given up in time, and asked once", async () => {
  const { resolver, asked, answer } = setUp();
  const startMs = performance.now();
  for (let i = 0; i < 3; i++) {
    const waiting = resolver.resolve("db1", 100);
    await assertRejects(() => waiting, Error, "the name db1 was not resolved within 100 ms");
  }
  const tookMs = performance.now() - startMs;
  assert(tookMs < 3_000, `${tookMs} ms`);
  assertEquals(asked, ["db1"], "what is under way is joined");
  const late = resolver.resolve("db1", 60_000);
  answer(["10.0.0.1", "10.0.0.1", "::2"]);
  assertEquals(await late, ["10.0.0.1", "::2"]);
  const next = resolver.resolve("db1", 60_000);
  answer(["10.0.0.3"]);
  assertEquals(await next, ["10.0.0.3"], "addresses change: nothing is kept");
  assertEquals(asked, ["db1", "db1"]);
});

Deno.test("resolver: a signal ends the wait", async () => {
  const { resolver } = setUp();
  const stop = new AbortController();
  const waiting = resolver.resolve("db1", 60_000, stop.signal);
  stop.abort();
  await assertRejects(() => waiting, Error, "given up");
  await assertRejects(() => resolver.resolve("db1", 60_000, stop.signal), Error, "given up");
});

Deno.test("resolver: what the system says is told in words", async () => {
  const { resolver, fail } = setUp();
  for (
    const [code, text] of [
      ["ENOTFOUND", "the name db1 is unknown, to the hosts file and to DNS"],
      ["EAI_AGAIN", "the name db1 was not resolved: DNS does not answer"],
      ["EAI_FAIL", "the name db1 was not resolved: getaddrinfo EAI_FAIL db1"],
    ] as const
  ) {
    const waiting = resolver.resolve("db1", 1_000);
    fail(code);
    assertEquals((await assertRejects(() => waiting, Error)).message, text);
  }
});

Deno.test("resolver: the system itself is asked", async () => {
  const resolver = new Resolver();
  const found = await resolver.resolve("localhost", 10_000);
  assert(found.includes("127.0.0.1") || found.includes("::1"), found.join());
  // No name server may know it (RFC 6761).
  const unknown = resolver.resolve("nobody.invalid", 10_000);
  await assertRejects(() => unknown, Error, "the name nobody.invalid ");
});
