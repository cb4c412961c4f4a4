/** What this server tells the others of itself, with its last log lines while those are news. */
import type { FactsNotice } from "../../wire/rpc/rpc.ts";
import type { NodeState } from "../state.ts";
import { ownFacts } from "./own_facts.ts";

/** In one frame. */
const EVENTS_MAX = 8;

export function factsNotice(state: NodeState): FactsNotice {
  return { facts: ownFacts(state), events: state.eventRing.news(EVENTS_MAX) };
}
