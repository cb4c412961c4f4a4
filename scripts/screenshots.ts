/**
 * Pictures of the live page for the docs: `deno task screenshots` runs three servers under a small load,
 * opens the page in a real browser and writes PNGs into docs/pictures/.
 */
import { type Browser, chromium } from "playwright-core";
import { Cluster } from "../bench/cluster.ts";
import { pauseMs } from "../bench/find_leader.ts";
import { parseFlags } from "../bench/flags.ts";
import { connect } from "../client/mod.ts";

const HELP = `deno task screenshots

Three servers under a small load, their page in a browser, and PNGs of it in docs/pictures/.
CHROMIUM names the browser where it is not /usr/bin/chromium.

  --help               this text
`;

const BROWSER = Deno.env.get("CHROMIUM") || "/usr/bin/chromium";
const PICTURES = new URL("../docs/pictures/", import.meta.url).pathname;
/** The charts show something after this. */
const WATCH_MS = 40_000;
const FAILURE_MS = 8_000;
const WRITERS = 4;
const PAUSE_MS_MAX = 12;

interface Picture {
  readonly name: string;
  readonly colorScheme: "light" | "dark";
  readonly width: number;
  readonly height: number;
  /** What its upper edge shows; the head of the page unless given. */
  readonly from?: string;
}

/** The first is taken of a healthy cluster, the others while a server is down. */
const PICTURES_WANTED: readonly Picture[] = [
  { name: "page-light", colorScheme: "light", width: 1120, height: 920 },
  { name: "page-dark", colorScheme: "dark", width: 1120, height: 1000, from: "#logs-title" },
  { name: "page-narrow", colorScheme: "light", width: 390, height: 1300 },
];

/** Writes and reads at an uneven pace, until `signal` is aborted. */
async function load(cluster: Cluster, signal: AbortSignal): Promise<void> {
  const servers = cluster.addresses.map(({ hostname, port }) => `${hostname}:${port}`);
  await using client = await connect({ servers });
  const write = async (writer: number) => {
    for (let at = 0; !signal.aborted; at++) {
      const key = `k${(at * 31 + writer) % 5_000}`;
      const busy = 1 + Math.sin(at / 300 + writer);
      // What fails while there is no leader is what the picture shows.
      await (at % 3 === 0 ? client.get(key) : client.set(key, "x".repeat(200))).catch(() => null);
      await pauseMs(PAUSE_MS_MAX * busy);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
}

async function open(browser: Browser, { colorScheme, width, height }: Picture, port: number) {
  const page = await browser.newPage({ colorScheme, viewport: { width, height } });
  await page.goto(`http://127.0.0.1:${port}/`);
  await page.waitForSelector(".card");
  return page;
}

async function takePictures(cluster: Cluster, browser: Browser): Promise<void> {
  const leader = await cluster.leader();
  const asked = cluster.servers.find(({ id }) => id !== leader)!;
  const pages = [];
  for (const picture of PICTURES_WANTED) {
    pages.push(await open(browser, picture, asked.client.port + 100));
  }
  await pauseMs(WATCH_MS);
  for (const [at, { name, from }] of PICTURES_WANTED.entries()) {
    if (at === 1) {
      await cluster.kill(leader);
      await pauseMs(FAILURE_MS);
    }
    if (from !== undefined) {
      await pages[at]!.locator(from).evaluate((title) => title.scrollIntoView());
    }
    const path = `${PICTURES}${name}.png`;
    await pages[at]!.screenshot({ path });
    console.log(`${path}: ${Deno.statSync(path).size} bytes`);
  }
}

if (import.meta.main) {
  parseFlags(HELP, {});
  const cluster = await Cluster.start({ servers: 3 });
  const stop = new AbortController();
  const loading = load(cluster, stop.signal);
  const browser = await chromium.launch({ executablePath: BROWSER, args: ["--no-sandbox"] });
  try {
    await takePictures(cluster, browser);
  } finally {
    stop.abort();
    await browser.close();
    await loading;
    await cluster.stop();
  }
}
