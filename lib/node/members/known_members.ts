/**
 * Who the members are, with which life and which part, and where they are reached: the one place that
 * everybody asks. Until the cluster is formed the cluster file lists them; then the record of its
 * formation does; and from when the log is open, the configuration in effect (thesis §4.1), committed or
 * not. A file that lists other servers changes nothing about that: two such files would make two
 * majorities.
 *
 * Where a member is comes from four sources, the surest first: its own word while it is connected, the
 * log, the word of others, the cluster file (its own word comes after the log once it is not connected). All
 * of them are kept as places to try where it does not answer.
 */
import { memberIds } from "../../raft/configuration.ts";
import type { ConfigurationVersion } from "../../raft/configuration_history.ts";
import type { Configuration, Incarnation, ServerId } from "../../raft/types.ts";
import type { FormationRecord } from "../../storage/types.ts";
import { addressText } from "../../util/address.ts";
import type { ServerAddress } from "../node_options.ts";
import { type Addresses, isSamePlace, placeElsewhere, placeOf } from "./addresses.ts";
import { type Claim, isNewerClaim } from "./claim.ts";
import { Contacts } from "./contacts.ts";
import {
  type KnownMember,
  type KnownMembersOptions,
  knowsEarlierTerms,
  type LinkTarget,
  type MembersState,
  type Saying,
  type Standing,
  type Word,
} from "./known_member.ts";
import { describeMembers, isIn } from "./described_members.ts";

export class KnownMembers {
  readonly serverId: ServerId;
  readonly #incarnation: Incarnation;
  readonly #listed: ReadonlyMap<ServerId, Addresses>;
  readonly #joins: boolean;
  #record: FormationRecord | null;
  #state: MembersState | null = null;
  /** What `#all` was made of, and the index of the newest configuration that is committed. */
  #configuration: Configuration | null = null;
  #committedIndex = -1;
  /** While it is in effect, `note` has nothing to do: it is committed, and nothing else is open. */
  #settled: ConfigurationVersion | null = null;
  /** Where servers have said themselves that they are, and the same by the word of others. */
  readonly #words = new Map<Incarnation, Word>();
  readonly #hints = new Map<Incarnation, Word>();
  /** Who is connected to this server. */
  readonly #here = new Set<Incarnation>();
  readonly #contacts: Contacts;
  /** The newest that lists this server, by the word of one that holds it and is in it, too; 0: nobody's. */
  #lentIndex = 0;
  #all: readonly KnownMember[] = [];
  #linked: readonly LinkTarget[] = [];
  readonly #watchers: (() => void)[] = [];

  constructor(options: KnownMembersOptions) {
    this.serverId = options.serverId;
    this.#incarnation = options.incarnation;
    this.#listed = new Map(options.listed.map(({ id, ...place }) => [id, placeOf(place)]));
    this.#record = options.record;
    this.#joins = options.joins === true;
    this.#contacts = new Contacts(options.graceMs);
    this.#refresh();
  }

  /** All members, this server among them where it is one. Another list whenever something changes. */
  get all(): readonly KnownMember[] {
    return this.#all;
  }

  of(id: ServerId): KnownMember | null {
    return this.#all.find((member) => member.id === id) ?? null;
  }

  /** Those that somebody can be sent to, with where. */
  servers(): ServerAddress[] {
    return this.#all.flatMap(({ id, places }) => {
      const place = this.#likeliest(id, places);
      return place === null ? [] : [{ id, ...place }];
    });
  }

  /** The other servers that this one is to be in touch with, and whose place it knows. */
  get linked(): readonly LinkTarget[] {
    return this.#linked;
  }

  /** This server and those that have said themselves where they are; what the log says of the same. */
  *whoSaid(): Generator<Saying> {
    const own = this.#listed.get(this.serverId);
    if (own !== undefined) yield this.#saying(this.serverId, this.#incarnation, own);
    for (const { id, incarnation, addresses } of this.#words.values()) {
      yield this.#saying(id, incarnation, addresses);
    }
  }

  #saying(id: ServerId, incarnation: Incarnation, said: Addresses): Saying {
    const member = this.of(id);
    const logged = member?.incarnation === incarnation ? member.logged : null;
    return { id, incarnation, said, logged };
  }

  /** Where a member is, or a guest that leads it by a configuration that this server does not have yet. */
  placeOf(id: ServerId): Addresses | null {
    const found = this.#linked.find((one) => one.id === id) ?? this.of(id);
    return found === null ? null : this.#likeliest(id, found.places);
  }

  /** Whoever else was where this server takes its clients now has moved, and the log is not told yet. */
  #likeliest(id: ServerId, places: readonly Addresses[]): Addresses | null {
    const own = id === this.serverId ? undefined : this.#listed.get(this.serverId);
    return placeElsewhere(places, own);
  }

  /** Where a member's log port is, for people. */
  logAddressOf(id: ServerId): string {
    const place = this.placeOf(id);
    return place === null ? `server ${id}` : addressText(place.hostname, place.logPort);
  }

  /** `watcher` is called after each change, for as long as this lives. */
  watch(watcher: () => void): void {
    this.#watchers.push(watcher);
  }

  /** How the cluster forms, or formed, is durable. */
  recorded(record: FormationRecord): void {
    this.#record = record;
    this.#changed();
  }

  /** The core may have moved on; it is `nowMs`. Called before messages leave and at the end of each turn. */
  note(state: MembersState, nowMs: number): void {
    if (state.configurations.newest === this.#settled) return;
    const { configurations: { current, currentIndex, versions, newest }, commitIndex } = state;
    // Up to there this server knows for itself now which configurations list it: no word is needed.
    const isKnown = this.#lentIndex <= commitIndex && versions[0]!.index <= this.#lentIndex;
    if (isKnown) this.#lentIndex = 0;
    const committedIndex = currentIndex <= commitIndex
      ? currentIndex
      : versions.findLast(({ index }) => index <= commitIndex)?.index ?? 0;
    const isNews = current !== this.#configuration || committedIndex !== this.#committedIndex;
    const isOpen = committedIndex < currentIndex || this.#lentIndex > 0;
    this.#settled = isOpen || isNews || this.#contacts.areLeaving ? null : newest;
    if (!isNews && !this.#contacts.areLeaving) return;
    this.#state = state;
    // Not what the file or the record said, before the log was open.
    if (this.#configuration !== null && current !== this.#configuration) this.#noteLeaving(current);
    this.#configuration = current;
    this.#committedIndex = committedIndex;
    const hasLeft = this.#contacts.elapse(nowMs, committedIndex === currentIndex);
    if (isNews || hasLeft) this.#changed();
  }

  /** When `note` has something to do by itself. */
  nextDeadlineMs(): number {
    return this.#contacts.nextDeadlineMs();
  }

  /** A server whose handshake has passed says where it is; true where that is news. */
  claimed(id: ServerId, incarnation: Incarnation, addresses: Addresses): boolean {
    return this.#hear(this.#words, id, incarnation, addresses);
  }

  /** Another server says where it has said that it is: a place to try. */
  heardOf(id: ServerId, incarnation: Incarnation, addresses: Addresses): void {
    if (id !== this.serverId && this.of(id) !== null) {
      this.#hear(this.#hints, id, incarnation, addresses);
    }
  }

  #hear(
    words: Map<Incarnation, Word>,
    id: ServerId,
    incarnation: Incarnation,
    addresses: Addresses,
  ): boolean {
    const before = words.get(incarnation);
    if (before?.id === id && isSamePlace(before.addresses, addresses)) return false;
    words.set(incarnation, { id, incarnation, addresses });
    this.#changed();
    return true;
  }

  /** Whether, and as what, this server takes another one for real; `claim` null: it makes none. */
  standingOf(id: ServerId, incarnation: Incarnation, claim: Claim | null): Standing {
    const member = this.of(id);
    const isMeant = member !== null &&
      (member.incarnation === null || member.incarnation === incarnation);
    if (isMeant || this.#contacts.isLeaving(id, incarnation)) return "member";
    const state = this.#state;
    if (state === null) return member === null ? "stranger" : "otherLife";
    const { configurations: { versions }, commitIndex } = state;
    // There is one change at a time: whoever gave its id to another life knew its removal to be committed.
    const isEarlier = member !== null && claim !== null && !isNewerClaim(claim, state);
    if (isEarlier && this.#isKnownLife(id, incarnation, versions)) return "removed";
    if (!isEarlier && claim !== null && claim.index > commitIndex) return "guest";
    const committed = versions.findLast(({ index }) => index <= commitIndex) ?? versions[0]!;
    if (isIn(committed, id, incarnation)) return "member";
    // Whose log begins after its own removal claims nothing. Who has joined was a member, and is told so by
    // whoever knows this term: one that was added in it a moment ago hears its leader soon.
    const wasMember = claim !== null && claim.index <= commitIndex &&
      (claim.index > 0 || this.#isFounder(id, incarnation) || knowsEarlierTerms(state));
    if (wasMember) return "removed";
    return member === null ? "stranger" : "otherLife";
  }

  /** A server's handshake has passed, in which it `claim`ed this part. */
  welcomed(id: ServerId, incarnation: Incarnation, claim: Claim | null): void {
    const isWord = claim !== null && claim.wanted === this.#incarnation && claim.term > 0;
    if (isWord && claim.index > this.#lentIndex) this.#lentIndex = claim.index;
    this.#settled = null;
    const member = this.of(id);
    const isNews = !this.#here.has(incarnation) && this.#words.has(incarnation);
    this.#here.add(incarnation);
    // Without a life of its own to go by, a member is one of the file's.
    const isMember = member !== null &&
      (member.incarnation === null || member.incarnation === incarnation);
    const isGuest = !isMember && this.#contacts.admit(id, incarnation);
    if (isNews || isGuest) this.#changed();
  }

  /** It is not connected to this one any more. */
  left(id: ServerId, incarnation: Incarnation): void {
    const wasHere = this.#here.delete(incarnation);
    const wasGuest = this.#contacts.dismiss(id, incarnation);
    if (wasGuest || (wasHere && this.#words.has(incarnation))) this.#changed();
  }

  /** What this server claims to another one: that has to be in it, too, to take its term for a word. */
  claimTo(id: ServerId, asking: Incarnation | null = null): Claim {
    const target = this.#linked.find((one) => one.id === id) ?? this.of(id);
    const wanted = asking ?? target?.incarnation ?? null;
    const state = this.#state;
    if (state === null) return { index: this.#lentIndex, term: 0, wanted };
    const { configurations: { versions }, log } = state;
    const own = versions.filter((one) => isIn(one, this.serverId, this.#incarnation));
    const shared = wanted === null ? own.at(-1) : own.findLast((one) => isIn(one, id, wanted));
    const index = (shared ?? own.at(-1))?.index ?? 0;
    if (index < this.#lentIndex) return { index: this.#lentIndex, term: 0, wanted };
    return { index, term: shared === undefined ? 0 : Math.max(0, log.termAt(index)), wanted };
  }

  /** A member by a configuration that this server holds, or a founder. */
  #isKnownLife(
    id: ServerId,
    incarnation: Incarnation,
    versions: MembersState["configurations"]["versions"],
  ): boolean {
    return versions.some((one) => isIn(one, id, incarnation)) || this.#isFounder(id, incarnation);
  }

  #isFounder(id: ServerId, incarnation: Incarnation): boolean {
    return this.#record?.members.some((one) =>
      one.serverId === id && one.incarnation === incarnation
    ) === true;
  }

  /** Those that `next` does without are talked to a little longer. */
  #noteLeaving(next: Configuration): void {
    const ids = memberIds(next);
    for (const { id, incarnation, places } of this.#all) {
      if (id === this.serverId || incarnation === null || ids.includes(id)) continue;
      this.#contacts.leave({ id, incarnation, places });
    }
  }

  #changed(): void {
    this.#refresh();
    for (const watcher of this.#watchers) watcher();
  }

  #refresh(): void {
    this.#all = this.#members();
    this.#contacts.settle((id) => this.of(id) !== null);
    this.#linked = this.#targets();
    const about = [...this.#all, ...this.#linked];
    const isAbout = ({ id, incarnation }: Word) =>
      about.some((one) => one.id === id && (one.incarnation ?? incarnation) === incarnation);
    for (const word of this.#words.values()) {
      const stays = this.#here.has(word.incarnation) || isAbout(word);
      if (!stays) this.#words.delete(word.incarnation);
    }
    for (const hint of this.#hints.values()) {
      if (!isAbout(hint)) this.#hints.delete(hint.incarnation);
    }
  }

  #members(): KnownMember[] {
    const version = this.#state?.configurations.versions.at(-1);
    if (version === undefined) return this.#founders();
    return describeMembers(version).map((one) => {
      return { ...one, ...this.#whereabouts(one.id, one.incarnation, one.logged) };
    });
  }

  #founders(): KnownMember[] {
    const listed = this.#joins ? [] : [...this.#listed.keys()];
    const founders = this.#record?.members.map((one) => [one.serverId, one.incarnation] as const) ??
      listed.map((id) => [id, null] as const);
    return founders.map(([id, incarnation]) => {
      const bare = { id, role: "voter", incarnation, staysLearner: false, logged: null } as const;
      return { ...bare, ...this.#whereabouts(id, incarnation, null) };
    });
  }

  /** Members, but where a guest has the id of one: that one is talked to, and it knows of a newer life. */
  #targets(): LinkTarget[] {
    const targets = new Map<ServerId, LinkTarget>();
    for (const member of this.#all) targets.set(member.id, member);
    for (const contact of this.#contacts.leaving()) targets.set(contact.id, contact);
    for (const [id, incarnation] of this.#contacts.guests()) {
      const { places } = this.#whereabouts(id, incarnation, null);
      if (this.of(id)?.incarnation !== incarnation) targets.set(id, { id, incarnation, places });
    }
    targets.delete(this.serverId);
    return [...targets.values()].filter(({ places }) => places.length > 0);
  }

  #whereabouts(
    id: ServerId,
    incarnation: Incarnation | null,
    logged: Addresses | null,
  ): Pick<KnownMember, "said" | "isHere" | "listed" | "places"> {
    // Before the cluster is formed, the last that came under this id.
    const wordOf = (words: ReadonlyMap<Incarnation, Word>) => {
      const word = incarnation === null
        ? [...words.values()].findLast((one) => one.id === id)
        : words.get(incarnation);
      return word?.id === id ? word.addresses : null;
    };
    const listed = this.#listed.get(id) ?? null;
    // This server itself is where its own file says, whatever the log still has.
    const isItself = id === this.serverId &&
      (incarnation === null || incarnation === this.#incarnation);
    const said = isItself ? listed : wordOf(this.#words);
    const isHere = isItself || (incarnation !== null && this.#here.has(incarnation));
    const places: Addresses[] = [];
    // Who is not here may have moved since, and told the leader.
    const sure = isHere ? [said, logged] : [logged, said];
    for (const place of [...sure, wordOf(this.#hints), listed]) {
      if (place === null || places.some((other) => isSamePlace(other, place))) continue;
      places.push(place);
    }
    return { said, isHere, listed, places };
  }
}
