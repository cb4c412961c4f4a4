/** Clusters whose members come and go: three servers, to which a fourth is added. */
import { type Client, NotDone, open, Refused, type Reply, Unknown } from "../client/mod.ts";
import { DEFAULT_TIMING } from "../lib/node/limits.ts";
import { Cluster, type ClusterOptions } from "./cluster.ts";
import { EtcdCluster } from "./etcd_cluster.ts";
import { fillEtcd } from "./fill_etcd.ts";
import { pauseMs } from "./find_leader.ts";
import { formatAddress } from "./line_client.ts";
import { fillCluster } from "./memory_subjects.ts";
import { keyName, loadOnce } from "./writes.ts";

const SERVERS = 3;
const CALL_TIMEOUT_MS = 10_000;
const CHANGE_TIMEOUT_MS = 60_000;
const VOTER_TIMEOUT_MS = 300_000;
const LOOK_MS = 20;
const RETRY_MS = 5;
const READERS = 16;
const ETCD_ELECTION_TIMEOUT_MS = 1_000;
const ETCD_ATTEMPT_MS = 2_000;
/**
 * A million keys that were set one by one are a million entries: what is missing of them comes as a
 * snapshot. Filled by transactions of many keys etcd has few entries, and keeps the last 5,000 of them.
 */
const ETCD_FLAGS = ["--snapshot-count", "1000", "--quota-backend-bytes", `${8 * 1024 ** 3}`];
const ETCD_OPERATIONS = 128;
const ETCD_AT_ONCE = 8;

export interface MembershipSubject {
  readonly name: string;
  readonly electionTimeoutMs: number;
  fill(keys: number, valueBytes: number): Promise<void>;
  /** Sets one key, however often it takes. */
  set(key: number): Promise<void>;
  leader(): Promise<number>;
  /** Starts server 4 and has it added; when it was a learner, by `performance.now()`. */
  add(): Promise<number>;
  /** Waits until server 4 votes. */
  untilVoter(): Promise<void>;
  /** Resolves once the change is committed. */
  remove(id: number): Promise<void>;
  /** Has a founder come back at other ports; resolves once all know where it is, and who leads. */
  move(id: number): Promise<void>;
  /** How many of these keys don't have the value that `set` gives them. */
  countMissing(keys: readonly number[]): Promise<number>;
  stop(): Promise<void>;
}

/** The value of every key, but for the letters in it. */
function valueOf(valueBytes: number): Uint8Array {
  return new Uint8Array(valueBytes).fill("v".charCodeAt(0));
}

export class RaftkvMembers implements MembershipSubject {
  readonly name = "raftkv";
  readonly electionTimeoutMs = DEFAULT_TIMING.electionTimeoutMs;
  readonly #cluster: Cluster;
  readonly #client: Client;
  #added = 0;
  #value = valueOf(0);

  private constructor(cluster: Cluster, client: Client) {
    this.#cluster = cluster;
    this.#client = client;
  }

  static async start(options: Omit<ClusterOptions, "servers">): Promise<RaftkvMembers> {
    const cluster = await Cluster.start({ ...options, servers: SERVERS });
    const servers = cluster.addresses.map(formatAddress);
    return new RaftkvMembers(cluster, open({ servers, timeoutMs: CALL_TIMEOUT_MS }));
  }

  async fill(keys: number, valueBytes: number): Promise<void> {
    this.#value = valueOf(valueBytes);
    await fillCluster(this.#cluster.addresses, loadOnce(keys, valueBytes), valueBytes);
  }

  async set(key: number): Promise<void> {
    for (;;) {
      try {
        await this.#client.set(keyName(key), this.#value);
        return;
      } catch (error) {
        // A key is always set to the same, so once more does no harm.
        if (!(error instanceof NotDone || error instanceof Unknown)) throw error;
      }
      await pauseMs(RETRY_MS);
    }
  }

  async leader(): Promise<number> {
    return (await this.#members()).find(({ isLeader }) => isLeader)!.id;
  }

  async add(): Promise<number> {
    const { id } = this.#cluster.startJoining();
    this.#added = id;
    // It asks to be let in once a second: until then nobody can add it.
    for (const deadlineMs = performance.now() + CHANGE_TIMEOUT_MS;;) {
      try {
        await this.#client.command(["RAFTKV.MEMBER", "ADD", `${id}`], {
          timeoutMs: CHANGE_TIMEOUT_MS,
        });
        return performance.now();
      } catch (error) {
        if (!(error instanceof Refused) || performance.now() > deadlineMs) throw error;
      }
      await pauseMs(LOOK_MS);
    }
  }

  async untilVoter(): Promise<void> {
    await until("server 4 votes", async () => {
      const members = await this.#members();
      return members.find(({ id }) => id === this.#added)?.role === "voter";
    });
  }

  async remove(id: number): Promise<void> {
    await this.#client.command(["RAFTKV.MEMBER", "REMOVE", `${id}`], {
      timeoutMs: CHANGE_TIMEOUT_MS,
    });
  }

  async move(id: number): Promise<void> {
    await this.#cluster.move(id);
    const { port } = this.#cluster.server(id).client;
    await until(`the log says where server ${id} is`, async () => {
      const members = await this.#members();
      return members.find((member) => member.id === id)?.clientPort === port;
    });
    await this.#cluster.untilWhole();
  }

  countMissing(keys: readonly number[]): Promise<number> {
    return countWhere(keys, async (key) => {
      const value = await this.#client.get(keyName(key));
      return value?.length !== this.#value.length ||
        value.some((byte, i) => byte !== this.#value[i]);
    });
  }

  async stop(): Promise<void> {
    this.#client.close();
    await this.#cluster.stop();
  }

  async #members(): Promise<Member[]> {
    const list = fieldsOf(
      await this.#client.command(["RAFTKV.MEMBER", "LIST"], { isWrite: false }),
    );
    const members = list.get("members");
    if (!Array.isArray(members)) throw new Error("RAFTKV.MEMBER LIST has no members");
    return members.map(fieldsOf).map((fields) => ({
      id: Number(fields.get("id")),
      role: textOf(fields.get("role")),
      clientPort: Number(fields.get("clientPort")),
      isLeader: Number(fields.get("isLeader")) === 1,
    }));
  }
}

interface Member {
  readonly id: number;
  readonly role: string;
  readonly clientPort: number;
  readonly isLeader: boolean;
}

/** A map, which is a list of names and values in the older version of the protocol. */
function fieldsOf(reply: Reply): Map<string, Reply> {
  if (reply instanceof Map) return reply;
  if (!Array.isArray(reply)) throw new Error("RAFTKV.MEMBER LIST answers no map");
  const fields = new Map<string, Reply>();
  for (let i = 0; i + 1 < reply.length; i += 2) fields.set(textOf(reply[i]), reply[i + 1]!);
  return fields;
}

function textOf(reply: Reply | undefined): string {
  return reply instanceof Uint8Array ? new TextDecoder().decode(reply) : String(reply);
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + VOTER_TIMEOUT_MS;
  while (!await isSo()) {
    if (performance.now() > deadlineMs) throw new Error(`${what}: not in ${VOTER_TIMEOUT_MS} ms`);
    await pauseMs(LOOK_MS);
  }
}

/** For how many of `keys` it is so, some at a time. */
async function countWhere(
  keys: readonly number[],
  isSo: (key: number) => Promise<boolean>,
): Promise<number> {
  let next = 0;
  let count = 0;
  const readers = Array.from({ length: READERS }, async () => {
    while (next < keys.length) if (await isSo(keys[next++]!)) count++;
  });
  await Promise.all(readers);
  return count;
}

export class EtcdMembers implements MembershipSubject {
  readonly name = "etcd";
  readonly electionTimeoutMs = ETCD_ELECTION_TIMEOUT_MS;
  readonly #cluster: EtcdCluster;
  /** By server; of those that are members. */
  readonly #memberIds = new Map<number, string>();
  #value = "";
  #added = 0;
  /** Whom sets are sent to. */
  #server = 1;

  private constructor(cluster: EtcdCluster) {
    this.#cluster = cluster;
  }

  static async start(parent: string | undefined): Promise<EtcdMembers> {
    const subject = new EtcdMembers(await EtcdCluster.start(SERVERS, parent, ETCD_FLAGS));
    for (const [id, memberId] of await subject.#cluster.memberIds()) {
      subject.#memberIds.set(id, memberId);
    }
    return subject;
  }

  async fill(keys: number, valueBytes: number): Promise<void> {
    this.#value = btoa("v".repeat(valueBytes));
    this.#server = await this.leader();
    const url = `http://127.0.0.1:${this.#cluster.clientPort(this.#server)}`;
    await fillEtcd(url, loadOnce(keys, valueBytes), valueBytes, ETCD_OPERATIONS, ETCD_AT_ONCE);
  }

  async set(key: number): Promise<void> {
    const body = { key: btoa(keyName(key)), value: this.#value };
    for (;;) {
      const server = this.#server;
      try {
        const response = await this.#cluster.post(server, "kv/put", body, ETCD_ATTEMPT_MS);
        await response.body?.cancel();
        if (response.ok) return;
      } catch {
        // It is down, or has nothing to say.
      }
      if (this.#server === server) this.#server = this.#next(server);
      await pauseMs(RETRY_MS);
    }
  }

  leader(): Promise<number> {
    return this.#cluster.leader([...this.#memberIds.keys()]);
  }

  async add(): Promise<number> {
    const { id, memberId } = await this.#cluster.addLearner(await this.leader());
    this.#added = id;
    this.#memberIds.set(id, memberId);
    return performance.now();
  }

  async untilVoter(): Promise<void> {
    const ID = this.#memberIds.get(this.#added)!;
    // It is refused until the learner is in sync.
    await until("the learner is promoted", async () => {
      const leader = this.#server;
      const response = await this.#cluster.post(
        leader,
        "cluster/member/promote",
        { ID },
        CALL_TIMEOUT_MS,
      );
      await response.body?.cancel();
      return response.ok;
    });
  }

  async remove(id: number): Promise<void> {
    const ID = this.#memberIds.get(id)!;
    const by = this.#next(id);
    this.#memberIds.delete(id);
    // Refused until all others have been connected for 5 s.
    await until(`etcd removes server ${id}`, async () => {
      const response = await this.#cluster.post(
        by,
        "cluster/member/remove",
        { ID },
        CALL_TIMEOUT_MS,
      );
      await response.body?.cancel();
      return response.ok;
    });
  }

  async move(id: number): Promise<void> {
    await this.#cluster.move(id, this.#memberIds.get(id)!, this.#next(id));
    await this.leader();
  }

  async countMissing(keys: readonly number[]): Promise<number> {
    const leader = await this.leader();
    return countWhere(keys, async (key) => {
      const body = { key: btoa(keyName(key)) };
      const response = await this.#cluster.post(leader, "kv/range", body, CALL_TIMEOUT_MS);
      const { kvs } = await response.json() as { kvs?: { value: string }[] };
      return kvs?.[0]?.value !== this.#value;
    });
  }

  stop(): Promise<void> {
    return this.#cluster.stop();
  }

  #next(server: number): number {
    const ids = [...this.#memberIds.keys()].filter((id) => id !== server && id !== this.#added);
    const later = ids.find((id) => id > server);
    return later ?? ids[0] ?? this.#added;
  }
}
