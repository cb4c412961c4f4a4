/**
 * The client's package as somebody with a Node project has it: packed by npm, installed, compiled by tsc
 * with everything strict, and run by Node against real servers.
 */
import { assert, assertEquals } from "@std/assert";
import { buildPackage } from "../../scripts/build_npm.ts";
import { clusterTest } from "./harness.ts";
import { needsProgram, unmet } from "./requirements.ts";

const PROJECT = {
  "package.json": JSON.stringify({ name: "shop", private: true, type: "module" }),
  "tsconfig.json": JSON.stringify({
    compilerOptions: {
      target: "ES2022",
      module: "NodeNext",
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      noImplicitOverride: true,
      // The package's own types are looked at, too.
      skipLibCheck: false,
    },
    files: ["shop.ts"],
  }),
  "shop.ts": `
import { connect, type Lock, LockLost, NotDone, Refused, Unknown, type CasOutcome, type Versioned } from "raftkv/client";

interface Cart { items: string[] }

await using client = await connect({ servers: process.argv.slice(2), timeoutMs: 20_000 });
const carts = client.json<Cart>();
const first: number = await carts.set("cart", { items: ["tea"] }, { timeToLiveMs: 600_000 });
const found: Versioned<Cart> | null = await carts.getm("cart");
const outcome: CasOutcome = await carts.cas("cart", { items: [] }, found?.version ?? 0);
const stale: CasOutcome = await carts.cas("cart", { items: [] }, first);
const bytes: Uint8Array | null = await client.get("cart");
const texts: (string | null)[] = await client.text.mget(["cart", "nothing"]);
const orders: bigint = await client.incr("orders", 2);
const left = await client.text.transact(async (t) => {
  const cart = await t.get("cart");
  t.delete("cart");
  const more = t.incr("orders");
  return { cart, more };
});
const keys: string[] = [];
for await (const key of client.keys({ match: "ord*" })) keys.push(key);
let refused = "";
try {
  await client.text.set("orders", "many");
  await client.incr("orders");
} catch (error) {
  if (error instanceof Refused) refused = error.code;
  else if (error instanceof NotDone || error instanceof Unknown) throw error;
}
const { timeToLiveMs } = found!;
const lock: Lock = await client.lock("till", { ttlMs: 60_000, waitMs: 10_000 });
await lock.extend();
const kept: string | null = await client.text.get("till");
await lock.unlock().catch((error: unknown) => {
  if (!(error instanceof LockLost)) throw error;
});
const again = await client.campaign("till");
await again.resign();
console.log(JSON.stringify([
  outcome, stale, new TextDecoder().decode(bytes!), texts, orders.toString(), left.cart,
  left.more.value.toString(), keys, refused, timeToLiveMs! > 500_000, await client.delete("orders"),
  kept, lock.token > 0, again.token > lock.token, lock.isHeld,
]));
`,
} as const;

async function must(directory: string, program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args, cwd: directory })
    .output();
  const said = new TextDecoder().decode(stdout);
  const line = [program, ...args].join(" ");
  assert(success, `${line}:\n${said}${new TextDecoder().decode(stderr)}`);
  return said;
}

const notRun = unmet(needsProgram("npm", "--version"), needsProgram("node", "--version"));

clusterTest("npm package: packed, installed, compiled strictly and run by Node", {
  notRun,
}, async (cluster) => {
  const source = `${cluster.directory}/package`;
  const project = `${cluster.directory}/shop`;
  Deno.mkdirSync(project);
  for (const [name, text] of Object.entries(PROJECT)) {
    Deno.writeTextFileSync(`${project}/${name}`, text);
  }
  buildPackage(source);
  const started = cluster.startAll();
  const packed = await must(project, "npm", "pack", "--json", source);
  const [{ filename, files }] = JSON.parse(packed) as [
    { filename: string; files: { path: string }[] },
  ];
  assert(files.every(({ path }) => /^(client\/\w+\.(js|d\.ts)|[\w.]+)$/.test(path)), packed);
  const quiet = ["--no-audit", "--no-fund", "--prefer-offline"];
  const packages = [`./${filename}`, "typescript@5.9.3", "@types/node@20"];
  await must(project, "npm", "install", ...quiet, ...packages);
  assertEquals(Object.keys(manifestOf(project, "raftkv").dependencies ?? {}), []);
  await must(project, "node", "node_modules/typescript/bin/tsc");
  await started;
  for (const { process } of cluster.servers) await process.logged("The cluster version is raised:");
  const addresses = cluster.servers.map(({ clientPort }) => `127.0.0.1:${clientPort}`);
  const said = await must(project, "node", "shop.js", ...addresses);
  assertEquals(JSON.parse(said), [
    { isStored: true, version: 2 },
    { isStored: false, why: "versionDiffers" },
    '{"items":[]}',
    ['{"items":[]}', null],
    "2",
    '{"items":[]}',
    "3",
    ["orders"],
    "ERR",
    true,
    true,
    "",
    true,
    true,
    false,
  ]);
});

function manifestOf(project: string, name: string): { dependencies?: Record<string, string> } {
  return JSON.parse(Deno.readTextFileSync(`${project}/node_modules/${name}/package.json`));
}
