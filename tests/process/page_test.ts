/** The live page of real servers in a real browser. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { seen, statusOf } from "./admin_client.ts";
import {
  BROWSER_LEAVES,
  needsChromium,
  type OpenPage,
  openPage,
  rolesOn,
  seriousFindings,
  withBrowser,
} from "./browser.ts";
import { type Cluster, clusterTest, type Server } from "./harness.ts";
import { eventually } from "./patience.ts";

const OPTIONS = { leaves: BROWSER_LEAVES, notRun: needsChromium() };
/** What a person would call at once; the page hears of a change within a few hundred ms. */
const SHOWN_MS_MAX = 2_000;

/** Roles as the page has to show them. */
function roles(cluster: Cluster, leader: Server, others: string): Record<number, string> {
  return Object.fromEntries(
    cluster.servers.map((server) => [server.id, server === leader ? "leader" : others]),
  );
}

async function shows(
  { page }: OpenPage,
  wanted: Record<number, string>,
): Promise<void> {
  await eventually(`the page to show ${JSON.stringify(wanted)}`, async () => {
    return JSON.stringify(await rolesOn(page)) === JSON.stringify(wanted);
  });
}

async function headlineOf({ page }: OpenPage): Promise<string> {
  return (await page.locator("#headline").textContent())!;
}

/** It asked its own server alone, and for no more than itself and the stream. */
function assertAsksOwnServerOnly({ requests }: OpenPage, server: Server): void {
  const origin = `http://127.0.0.1:${server.adminPort}`;
  const outside = requests.filter((url) => !url.startsWith("data:image/svg+xml,"))
    .filter((url) => url !== `${origin}/` && url !== `${origin}/events`);
  assertEquals(outside, []);
}

clusterTest("page: the roles are right, before and after a kill of the leader", OPTIONS, async (
  cluster,
) => {
  await cluster.startAll();
  const leader = await cluster.waitForLeader();
  const asked = cluster.others(leader)[0]!;
  await withBrowser(async (browser) => {
    const open = await openPage(browser, asked);
    await shows(open, roles(cluster, leader, "follower"));
    // A problem of the start, a slow sync for one, is said in the place of it while it lasts.
    const whole = /^Server \d leads in term \d+, and servers \d and \d follow/;
    await eventually("all to be well", async () => whole.test(await headlineOf(open)));
    const follow = await open.page.locator("#follow svg").getAttribute("aria-label");
    assertMatch(follow!, new RegExp(`^Servers \\d and \\d follow server ${leader.id}\\.`));

    await leader.kill();
    let successorId = 0;
    await eventually("another leader", async () => {
      successorId = (await statusOf(asked)).leaderId;
      return successorId !== 0 && successorId !== leader.id;
    });
    const knownMs = performance.now();
    const wanted = { ...roles(cluster, cluster.server(successorId), "follower") };
    wanted[leader.id] = "not heard";
    await shows(open, wanted);
    const shownMs = performance.now() - knownMs;
    assert(shownMs <= SHOWN_MS_MAX, `shown ${shownMs} ms after the server knew`);
    const card = open.page.locator(`.card[data-server="${leader.id}"]`);
    assertMatch(
      (await card.locator(".absence").textContent())!,
      /^Not heard for .*, since \d\d:\d\d:\d\d: down, frozen or cut off$/,
    );
    const absent = new RegExp(`Server ${leader.id} is not heard\\.`);
    await eventually("the absence", async () => absent.test(await headlineOf(open)));

    leader.start();
    await shows(open, roles(cluster, cluster.server(successorId), "follower"));
    assertEquals(open.complaints, []);
    assertAsksOwnServerOnly(open, asked);
  });
});

clusterTest("page: logs, charts and events show what happens", OPTIONS, async (cluster) => {
  await cluster.startAll();
  const leader = await cluster.waitForLeader();
  await withBrowser(async (browser) => {
    const open = await openPage(browser, leader);
    const { page } = open;
    using socket = await leader.connect();
    for (let i = 0; i < 50; i++) assertMatch(await socket.ask("set k 0 1\r\nx\r\n"), /^OK /);
    const { lastIndex } = (await seen(leader, leader.id)).facts!;
    for (const { id } of cluster.servers) {
      const row = page.locator(`#bands tr[data-server="${id}"]`);
      await eventually(`the band of server ${id}`, async () => {
        const texts = await row.locator(".number").allTextContents();
        return texts.every((text) => Number(text.replaceAll(",", "")) >= lastIndex);
      });
      await eventually("the lag", async () => {
        const lag = await row.locator(".lag").textContent();
        return lag === (id === leader.id ? "leads" : "level");
      });
    }
    assertEquals(await page.locator("figure canvas").count(), 4);
    await eventually("a rate of writes", async () => {
      const label = await page.locator("figure .plot").nth(2).getAttribute("aria-label");
      return /Writes: [\d,.]+ \/s/.test(label ?? "");
    });
    await eventually("the election among the events", async () => {
      return await page.locator("#events li", { hasText: "Now leader" }).count() > 0;
    });
    assert(await page.locator(".lane .span[data-role=leader]").count() > 0);
    assertEquals(open.complaints, []);
    assertAsksOwnServerOnly(open, leader);
  });
});

clusterTest(
  "page: a frozen follower, then no leader; axe-core finds nothing serious, light or dark",
  OPTIONS,
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const [frozen, other] = cluster.others(leader) as [Server, Server];
    await withBrowser(async (browser) => {
      const opened: OpenPage[] = [];
      for (const colorScheme of ["light", "dark"] as const) {
        // What axe-core does in the page is none of what the page may do.
        opened.push(await openPage(browser, leader, { colorScheme, bypassCSP: true }));
      }
      opened.push(
        await openPage(browser, leader, {
          bypassCSP: true,
          viewport: { width: 360, height: 640 },
        }),
      );
      const nothingSerious = async (what: string) => {
        for (const [at, { page }] of opened.entries()) {
          assertEquals(await seriousFindings(page), [], `${what}, page ${at}`);
        }
      };
      for (const open of opened) await shows(open, roles(cluster, leader, "follower"));
      await nothingSerious("healthy");

      frozen.freeze();
      const wanted = { ...roles(cluster, leader, "follower"), [frozen.id]: "not heard" };
      for (const open of opened) await shows(open, wanted);
      await nothingSerious("frozen follower");

      await other.kill();
      for (const open of opened) {
        await eventually("the page to say that there is no leader", async () => {
          return (await headlineOf(open)).startsWith(`Server ${leader.id} knows no leader`);
        });
        const shown = await rolesOn(open.page);
        assertEquals([shown[frozen.id], shown[other.id]], ["not heard", "not heard"]);
        assert(["follower", "candidate"].includes(shown[leader.id]!), shown[leader.id]);
        const wide = await open.page.evaluate(
          "document.documentElement.scrollWidth <= innerWidth",
        );
        assert(wide, "the page is wider than its window");
      }
      await nothingSerious("no leader");
      for (const { complaints } of opened) assertEquals(complaints, []);
    });
    frozen.thaw();
  },
);

clusterTest(
  "page: where the stream is lost it says so, and connects again by itself",
  { ...OPTIONS, size: 1 },
  async (cluster) => {
    await cluster.startAll();
    const server = cluster.servers[0]!;
    await withBrowser(async (browser) => {
      const open = await openPage(browser, server, { bypassCSP: true });
      const { page, complaints } = open;
      const loss = page.locator("#loss");
      const live = page.locator("html[data-stream=live]");
      await live.waitFor();
      assert(!await loss.isVisible());

      server.freeze();
      await loss.waitFor();
      assertMatch(
        (await loss.textContent())!.trim(),
        /^Server 1 says nothing any more: what is shown is .* old, from \d\d:\d\d:\d\d\. Trying again\.$/,
      );
      server.thaw();
      await live.waitFor();
      assert(!await loss.isVisible());
      assertEquals(complaints, []);

      await server.kill();
      await page.locator("#loss", { hasText: "Server 1 does not answer" }).waitFor();
      assertEquals(await seriousFindings(page), []);
      server.start();
      await live.waitFor();
      // It answers on this port before it leads again.
      await shows(open, { 1: "leader" });
      // The browser itself writes down that a connection was refused; the page has no errors.
      const own = complaints.filter((text) => !/net::ERR_/.test(text));
      assertEquals(own, []);
      await page.evaluate("console.error('this is heard')");
      await eventually("the console to be heard", () => {
        return Promise.resolve(complaints.includes("this is heard"));
      });
    });
  },
);
