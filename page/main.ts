/** The live page: takes what /events says and shows it. It asks for nothing else. */
import type { ClusterStatus } from "../lib/wire/status.ts";
import { BandsView } from "./bands_view.ts";
import { ChartsView } from "./charts.ts";
import { byId, setAttributes, setHidden, setText } from "./dom.ts";
import { FollowView } from "./follow_view.ts";
import { headline, shownServers } from "./model.ts";
import { Sampler, Samples } from "./samples.ts";
import { ServersView } from "./servers_view.ts";
import { Stream, type StreamState } from "./stream.ts";
import { Timeline } from "./timeline.ts";
import { TimelineView } from "./timeline_view.ts";
import { duration, timeOfDay } from "./words.ts";

const TICK_MS = 500;

const views = {
  servers: new ServersView(byId("servers")),
  follow: new FollowView(byId("follow")),
  bands: new BandsView(byId("bands")),
  charts: new ChartsView(byId("charts")),
};
const timeline = new Timeline();
const timelineView = new TimelineView(timeline);
const sampler = new Sampler();
const samples = new Samples();
/** Where this page's server says that it is, once it has said so. */
let askedName = "this server";

function show(status: ClusterStatus): void {
  const servers = shownServers(status);
  const isNews = timeline.addEvents(status.events);
  for (const { id, role } of servers) {
    timeline.noteRole(id, role, status.wallMs);
  }
  samples.add(sampler.take(status));

  askedName = `server ${status.serverId}`;
  const { level, text } = headline(status);
  setText(byId("headline"), text);
  setAttributes(byId("headline"), { "data-level": level });
  setText(byId("cluster"), `cluster ${status.clusterId.slice(0, 8)}, asked of ${askedName}`);
  const leads = status.leaderId === 0 ? "no leader" : `server ${status.leaderId} leads`;
  document.title = `${level === "well" ? "" : "⚠ "}raftkv: ${leads}`;

  views.servers.show(servers, status.serverId);
  views.follow.show(servers);
  views.bands.show(status, servers);
  views.charts.show(samples.list, servers);
  timelineView.showLanes(servers, status.wallMs);
  if (isNews) timelineView.showList();
}

/** What is wrong with the stream; empty where nothing is. */
function lossText(state: StreamState): string {
  if (state.kind !== "lost") return "";
  const why = state.isSilent ? "says nothing any more" : "does not answer";
  if (state.sinceMs === null) return `This address ${why}. Trying again.`;
  const lostMs = performance.now() - state.sinceMs;
  const since = timeOfDay(Date.now() - lostMs);
  return `${askedName[0]!.toUpperCase()}${askedName.slice(1)} ${why}: ` +
    `what is shown is ${duration(Math.floor(lostMs / 1_000) * 1_000)} old, from ${since}. ` +
    "Trying again.";
}

const STATE_WORDS: Readonly<Record<StreamState["kind"], string>> = {
  connecting: "connecting",
  live: "live",
  lost: "lost",
  paused: "paused",
};

function showState(state: StreamState): void {
  setAttributes(document.documentElement, { "data-stream": state.kind });
  setText(byId("stream"), STATE_WORDS[state.kind]);
  const text = lossText(state);
  setHidden(byId("loss"), text === "");
  setText(byId("losstext"), text);
  // Read aloud once, where the text beside it changes each second.
  setText(byId("lossalert"), text === "" ? "" : "The stream of this page is lost.");
}

const stream = new Stream((events) => {
  const source = new EventSource("/events");
  source.addEventListener("status", ({ data }) => events.message(data as string));
  source.addEventListener("error", () => events.failed());
  return source;
}, (data) => {
  show(JSON.parse(data) as ClusterStatus);
  showState(stream.state);
});

function tick(): void {
  stream.tick(performance.now(), document.hidden);
  showState(stream.state);
}

document.addEventListener("visibilitychange", tick);
setInterval(tick, TICK_MS);
tick();
