/** One card a server: role, whom it follows, how it is, and what is wrong. */
import type { ServerFacts } from "../lib/wire/status.ts";
import { colourOf, element, FactList, setAttributes, setHidden, setText } from "./dom.ts";
import { ROLE_WORDS, type ShownServer } from "./model.ts";
import { bytes, count, duration } from "./words.ts";

export class ServersView {
  readonly #root: HTMLElement;
  readonly #cards = new Map<number, Card>();

  constructor(root: HTMLElement) {
    this.#root = root;
  }

  show(servers: readonly ShownServer[], askedId: number): void {
    for (const [id, card] of this.#cards) {
      if (servers.some((server) => server.id === id)) continue;
      card.root.remove();
      this.#cards.delete(id);
    }
    for (const server of servers) {
      let card = this.#cards.get(server.id);
      if (card === undefined) {
        card = new Card(server);
        this.#cards.set(server.id, card);
        this.#root.append(card.root);
      }
      card.show(server, server.id === askedId);
    }
  }
}

class Card {
  readonly root: HTMLElement;
  readonly #role = element("span", { class: "role" });
  readonly #follows = element("p", { class: "follows" });
  readonly #absence = element("p", { class: "absence" });
  readonly #problems = element("ul", { class: "problems" });
  readonly #facts = new FactList();
  readonly #page = element("a", { rel: "noreferrer" });
  readonly #asked = element("span", {}, "(asked here)");
  /** What it said last, before it was not heard any more. */
  #last: ServerFacts | null = null;

  constructor({ id, place, address }: ShownServer) {
    this.#page.append("page", element("span", { class: "spoken" }, ` of server ${id}`));
    const title = element(
      "h3",
      {},
      element("span", {
        class: `chip ${colourOf(place)}`,
        "aria-hidden": "true",
      }),
      `Server ${id}`,
    );
    this.root = element(
      "li",
      { class: "card", "data-server": `${id}` },
      element("div", { class: "cardhead" }, title, this.#role),
      element("p", { class: "address" }, address, " ", this.#page, this.#asked),
      this.#follows,
      this.#absence,
      this.#problems,
      this.#facts.root,
    );
  }

  show(server: ShownServer, isAsked: boolean): void {
    const { role, facts, absence, followsId, problems } = server;
    if (facts !== null) this.#last = facts;
    setAttributes(this.root, { "data-role": role });
    setText(this.#role, ROLE_WORDS[role]);
    setText(this.#absence, absence);
    setHidden(this.#absence, absence === "");
    setText(this.#follows, followsText(server));
    setHidden(this.#follows, role === "unheard" || (followsId === 0 && role !== "follower"));
    this.#showProblems(problems);
    this.#showPage(server, isAsked);
    this.#showFacts(facts, server.term);
  }

  #showProblems(problems: readonly string[]): void {
    setHidden(this.#problems, problems.length === 0);
    while (this.#problems.children.length > problems.length) {
      this.#problems.lastChild!.remove();
    }
    for (const [at, text] of problems.entries()) {
      if (this.#problems.children[at] === undefined) {
        this.#problems.append(element("li"));
      }
      setText(this.#problems.children[at]!, text);
    }
  }

  /** Another server's page: it may listen on its own loopback alone, which nobody can tell from here. */
  #showPage({ address }: ShownServer, isAsked: boolean): void {
    const port = this.#last?.adminPort ?? 0;
    setHidden(this.#asked, !isAsked);
    setHidden(this.#page, isAsked || port === 0);
    const hostname = address.slice(0, address.lastIndexOf(":"));
    const bare = hostname.includes(":") ? `[${hostname}]` : hostname;
    setAttributes(this.#page, { href: `http://${bare}:${port}/` });
  }

  #showFacts(facts: ServerFacts | null, term: number | null): void {
    const known = facts ?? this.#last;
    setAttributes(this.#facts.root, { class: facts === null ? "facts old" : "facts" });
    if (known === null) return;
    this.#facts.set("Last known as", facts === null ? known.role : "");
    this.#facts.set("Term", count(term ?? known.term));
    this.#facts.set("Keys", count(known.keys));
    this.#facts.set("Content", bytes(known.contentBytes));
    this.#facts.set("Clients", count(known.connections));
    this.#facts.set("Memory", bytes(known.memoryBytes));
    this.#facts.set("Disk", bytes(known.diskBytes));
    this.#facts.set("Elections", count(known.electionsTotal));
    this.#facts.set("Up for", facts === null ? "" : duration(wholeSeconds(known.uptimeMs)));
    this.#facts.set("Version", known.version);
  }
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1_000) * 1_000;
}

function followsText({ role, followsId, leaderSilentMs, facts }: ShownServer): string {
  const silence = leaderSilentMs === null ? "" : `, not heard for ${duration(leaderSilentMs)}`;
  if (followsId !== 0) return `Follows server ${followsId}${silence}`;
  if (role !== "follower" || facts === null) return "";
  return `Has known no leader for ${duration(facts.leaderMissingMs)}`;
}
