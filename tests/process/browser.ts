/** A real browser, and what a page did in it. */
import { assert } from "@std/assert";
import axe from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";
import type { Server } from "./harness.ts";
import { needsProgram } from "./requirements.ts";

const CHROMIUM = Deno.env.get("CHROMIUM") || "/usr/bin/chromium";
/** A machine that is busy may take that long to start one. */
const START_DEADLINE_MS = 60_000;
const LOAD_DEADLINE_MS = 30_000;

export const needsChromium = () => needsProgram(CHROMIUM, "--version");

/** So many of axe-core's rules have something to look at on any page of ours. */
const RULES_MIN = 15;

/** Why nobody looks for what is left open. */
export const BROWSER_LEAVES =
  "the browser's driver keeps pipes and timers of its own until it ends";

export interface OpenPage {
  readonly page: Page;
  /** Errors and warnings on the console, and exceptions that nobody caught. */
  readonly complaints: string[];
  /** The URLs that were asked for. */
  readonly requests: string[];
}

/** Runs `body` with a browser, which ends with it. */
export async function withBrowser(body: (browser: Browser) => Promise<void>): Promise<void> {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    // Tests may run as root, and machines for tests have little shared memory.
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
    timeout: START_DEADLINE_MS,
  });
  try {
    await body(browser);
  } finally {
    await browser.close();
  }
}

/** Opens a server's live page and waits until it shows servers. */
export async function openPage(
  browser: Browser,
  server: Server,
  options: Parameters<Browser["newPage"]>[0] = {},
): Promise<OpenPage> {
  const page = await browser.newPage(options);
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(`${error.stack ?? error}`));
  page.on("request", (request) => requests.push(request.url()));
  page.setDefaultTimeout(LOAD_DEADLINE_MS);
  await page.goto(`http://127.0.0.1:${server.adminPort}/`);
  await page.locator(".card").first().waitFor();
  return { page, complaints, requests };
}

/** The role that a page shows of each server, by id. */
export async function rolesOn(page: Page): Promise<Record<number, string>> {
  const cards = await page.locator(".card").all();
  const roles = await Promise.all(cards.map(async (card) => {
    return [await card.getAttribute("data-server"), await card.locator(".role").textContent()];
  }));
  return Object.fromEntries(roles);
}

/** What axe-core finds that is serious or critical, a line each. */
export async function seriousFindings(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations, passes } = await page.evaluate("axe.run()") as AxeResults;
  assert(passes.length >= RULES_MIN, `only ${passes.length} rules found something to check`);
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(" ")}`);
}

interface AxeResults {
  readonly passes: readonly unknown[];
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string;
    readonly help: string;
    readonly nodes: readonly { readonly html: string }[];
  }[];
}
