/** All clients of one world: what they are told, what they wait for, and what their history comes to. */
import type { Random } from "../../lib/util/random.ts";
import { searchHistory } from "../lincheck/search.ts";
import { checkVersions } from "../lincheck/versions.ts";
import { Client, type ClientSetting } from "./client.ts";
import { ClientHosts } from "./client_hosts.ts";
import type { SimCluster } from "./cluster.ts";
import { History } from "./history.ts";
import { RedisWorkload } from "./redis_workload.ts";
import { ScriptWorkload } from "./script_workload.ts";
import { SessionWorkload } from "./session_workload.ts";
import { SubscriberWorkload } from "./subscriber_workload.ts";
import { UserWorkload } from "./user_workload.ts";
import { WatchWorkload } from "./watch_workload.ts";
import { CheckFailure } from "./world.ts";

/** The search gives up on a key beyond this many states; the seed then counts as not searched. */
const SEARCH_STATES_MAX = 1_000_000;

export class Workloads {
  readonly setting: ClientSetting;
  readonly history = new History();
  readonly clients: Client[] = [];
  readonly redis: RedisWorkload | null;
  readonly users: UserWorkload | null;
  readonly sessions: SessionWorkload | null;
  readonly watches: WatchWorkload | null;
  readonly scripts: ScriptWorkload | null;
  readonly subscribers: SubscriberWorkload | null;
  /** Whether all of the history was searched, as far as it was judged. */
  searched = true;

  constructor({ options, fabric, servers, addresses, checks, marks }: SimCluster) {
    const setting: ClientSetting = this.setting = {
      fabric,
      options,
      servers,
      addresses,
      history: this.history,
      asked: servers,
      unreachable: new Set(),
      connections: new Set(),
      hosts: new ClientHosts(options),
      nextConnectionId: 1,
      pace: "free",
    };
    const { redis, users = null, sessions = null, watches = null, scripts = null } = options;
    const { subscribers = null } = options;
    this.redis = redis === null ? null : new RedisWorkload(setting, redis);
    this.users = users === null ? null : new UserWorkload(setting, users, checks);
    this.sessions = sessions === null ? null : new SessionWorkload(setting, sessions);
    this.watches = watches === null ? null : new WatchWorkload(setting, watches, checks, marks);
    this.scripts = scripts === null ? null : new ScriptWorkload(setting, scripts);
    this.subscribers = subscribers === null
      ? null
      : new SubscriberWorkload(setting, subscribers, checks, marks);
  }

  begin(random: Random): void {
    for (let id = 1; id <= this.setting.options.clients.count; id++) {
      this.clients.push(new Client(this.setting, id, random.fork()));
    }
    this.redis?.begin();
    this.users?.begin();
    this.sessions?.begin();
    this.watches?.begin();
    this.scripts?.begin();
    this.subscribers?.begin();
  }

  stop(): void {
    for (const client of this.clients) client.isStopped = true;
    this.redis?.stop();
    this.users?.stop();
    this.sessions?.stop();
    this.scripts?.stop();
  }

  /** Nobody waits for an answer. */
  get isIdle(): boolean {
    return this.clients.every((client) => client.waiting === 0) && (this.redis?.isIdle ?? true) &&
      (this.users?.isIdle ?? true) && (this.sessions?.isIdle ?? true) &&
      (this.scripts?.isIdle ?? true);
  }

  /** Has a last client read every key. Returns whether all is read. */
  readBack(random: Random): () => boolean {
    const keys = [...new Set(this.history.operations.map((operation) => operation.key))];
    for (const other of this.clients) other.leave();
    this.users?.leave();
    this.watches?.leave();
    this.subscribers?.leave();
    const hasReadRedis = this.redis?.readBack() ?? (() => true);
    const hasReadSessions = this.sessions?.readBack() ?? (() => true);
    const hasReadScripts = this.scripts?.readBack() ?? (() => true);
    const client = new Client(this.setting, 0, random.fork(), keys);
    this.clients.push(client);
    return () => hasReadRedis() && hasReadSessions() && hasReadScripts() && client.hasReadAll;
  }

  /** Throws where no order of what was done explains what the clients were told. */
  judge(): void {
    const { operations } = this.history;
    const mayExpire = (key: string) => key.startsWith("expiring");
    const claim = checkVersions(operations, (key) => ({ expires: mayExpire(key) }));
    if (claim !== null) throw new CheckFailure("linearizability by versions", claim);
    const verdict = searchHistory(operations, SEARCH_STATES_MAX, (key) => !mayExpire(key));
    if (verdict.result === "illegal") throw new CheckFailure("linearizability", verdict.why);
    this.searched = verdict.result === "legal";
    this.redis?.judge();
    this.users?.count();
    this.sessions?.judge();
    this.scripts?.judge();
    this.subscribers?.judge();
  }
}
