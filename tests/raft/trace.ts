/**
 * Text traces: a file of blocks, each some commands, a line `----` and what the cluster then did.
 *
 *   campaign 1
 *   ----
 *   1 preCandidate t0 leader none: no leader was heard
 *   ...
 *
 * Lines that begin with `#` explain and stay. The commands are the keys of `COMMANDS` below; `N` is a
 * server. A received message is shown as `> 1→2 …`, what the server then does below it.
 */
import {
  describeConfiguration,
  describeEvent,
  describeMessage,
  describeReady,
  describeState,
} from "../../lib/raft/describe.ts";
import type { ChangeRefusal } from "../../lib/raft/raft.ts";
import type { MemberChange, Message } from "../../lib/raft/types.ts";
import { disk } from "./builders.ts";
import { bytes, Cluster, type Disk, TICKS } from "./cluster.ts";
import { member } from "./members.ts";
import { setElapsed } from "./time.ts";

/** Runs a whole file and returns it with the output that the commands give now. */
export function runTrace(text: string): string {
  const trace = new Trace();
  const blocks = text.trim().split(/\n\n+/).map((block) => {
    const lines = block.split("\n");
    const end = lines.indexOf("----");
    const commands = end < 0 ? lines : lines.slice(0, end);
    if (commands.every((line) => line.startsWith("#"))) return commands.join("\n");
    const output = commands.filter((line) => !line.startsWith("#")).flatMap((line) =>
      trace.run(line)
    );
    return [...commands, "----", ...(output.length === 0 ? ["nothing"] : output)].join("\n");
  });
  return blocks.join("\n\n") + "\n";
}

class Trace {
  cluster = new Cluster();
  out: string[] = [];
  delayed: Message[] = [];

  run(line: string): string[] {
    const [name = "", ...words] = line.split(/\s+/);
    const command = COMMANDS[name];
    if (command === undefined) throw new Error(`Unknown command in a trace: ${line}`);
    command(this, words);
    const { out } = this;
    this.out = [];
    return out;
  }

  /** `1 2 3`, or `1:1,1,2` for a log with these terms, `!` behind it for a suspect server. */
  start(words: string[]): void {
    const disks = new Map<number, Disk>();
    const voters = words.map((word) => {
      const [id = "", terms = ""] = word.replace("!", "").split(":");
      const list = terms === "" ? [] : terms.split(",").map(Number);
      disks.set(Number(id), disk(list, list.at(-1) ?? 0, word.endsWith("!")));
      return Number(id);
    });
    this.cluster = new Cluster({
      voters,
      disks,
      onReady: ({ id }, ready) => this.out.push(...describeReady(ready).map((x) => `${id} ${x}`)),
      onEvent: (id, event) => this.out.push(`${id} ${describeEvent(event)}`),
    });
  }

  /** `add 4 remove 2 move 3:a9` as changes. */
  changes(words: string[]): MemberChange[] {
    const changes: MemberChange[] = [];
    for (let at = 0; at < words.length; at += 2) {
      const kind = words[at]!;
      const [id = 0, address = ""] = [parseInt(words[at + 1]!), words[at + 1]!.split(":")[1]];
      if (kind === "promote" || kind === "demote" || kind === "remove") changes.push({ kind, id });
      else if (kind === "move") changes.push({ kind, id, addresses: bytes(address) });
      else if (kind === "add" || kind === "learn") {
        const { life } = this.cluster.at(id);
        changes.push({ kind: "add", ...member(id, life), staysLearner: kind === "learn" });
      } else throw new Error(`Unknown change in a trace: ${kind}`);
    }
    return changes;
  }

  deliver(position: number): void {
    const { cluster } = this;
    const message = cluster.queue[position]!;
    const lost = cluster.targetOf(message) === null;
    this.out.push(`${lost ? "x" : ">"} ${describeMessage(message)}`);
    cluster.deliverAt(position);
  }

  /** Positions of the messages on the link that `words` name; all where they name none. */
  positions(words: string[]): number[] {
    const [from, to] = words.map(Number);
    return this.cluster.queue.flatMap((message, at) => {
      const wanted = words.length === 0 || (message.from === from && message.to === to);
      return wanted ? [at] : [];
    });
  }
}

function reasonOf(refusal: ChangeRefusal): string {
  if (refusal.reason === "invalid") return refusal.problem;
  if (refusal.reason === "unreachable") return `unreachable: ${refusal.missing.join(", ")}`;
  if (refusal.reason === "full") return `full: ${refusal.servers.join(", ")}`;
  return refusal.reason;
}

const COMMANDS: Record<string, (trace: Trace, words: string[]) => void> = {
  /** cluster 1 2 3: new servers; logs as in `start`. */
  cluster: (trace, words) => trace.start(words),
  /** campaign N: its election timer runs out. */
  campaign: ({ cluster }, [id]) => cluster.timeout(Number(id)),
  /** expire N...: these have not heard a leader for an election timeout. */
  expire: ({ cluster }, ids) => {
    for (const id of ids) setElapsed(cluster.raft(Number(id)).state, TICKS);
  },
  /** tick N T, or tick all T: T ticks, nothing delivered. */
  tick: ({ cluster }, [id, ticks]) => {
    for (let i = 0; i < Number(ticks); i++) {
      cluster.tick(id === "all" ? undefined : [Number(id)]);
    }
  },
  /** propose N TEXT */
  propose: (trace, [id, text = ""]) => {
    const result = trace.cluster.raft(Number(id)).propose(bytes(text));
    trace.out.push(
      result.accepted ? `accepted ${result.index}/t${result.term}` : `refused: ${result.reason}`,
    );
    trace.cluster.process(Number(id));
  },
  /** join N: a server that is no member yet, with an empty disk; rejoin N: the same id in its next life. */
  join: ({ cluster }, [id]) => cluster.join(Number(id)),
  rejoin: ({ cluster }, [id]) => cluster.join(Number(id), cluster.at(Number(id)).life + 1),
  /** swap N L: life L of N is reached from now on, in the place of the one of today. */
  swap: ({ cluster }, [id, life]) => cluster.swap(Number(id), Number(life)),
  /**
   * change N add 4 learn 5 promote 6 demote 1 remove 2 move 3:a9: all in one step; `learn` adds one that stays
   * a learner.
   */
  change: (trace, [id, ...words]) => {
    const { raft } = trace.cluster.at(Number(id));
    const result = raft.proposeChange(trace.changes(words));
    trace.out.push(result.accepted ? `accepted ${result.index}` : `refused: ${reasonOf(result)}`);
    trace.cluster.process(Number(id));
  },
  /** members N...: the configuration in effect on each. */
  members: (trace, ids) => {
    for (const id of ids) {
      const { configurations, commitIndex } = trace.cluster.raft(Number(id)).state;
      const state = configurations.currentIndex <= commitIndex ? "committed" : "not committed";
      trace.out.push(`${id} ${describeConfiguration(configurations.current)}, ${state}`);
    }
  },
  /** addresses N...: of all members, as each of these has them. */
  addresses: (trace, ids) => {
    for (const id of ids) {
      const { members } = trace.cluster.raft(Number(id)).state.configurations.current;
      const known = members.map((one) => `${one.id} at ${new TextDecoder().decode(one.addresses)}`);
      trace.out.push(`${id} has ${known.join(", ")}`);
    }
  },
  /** read N */
  read: (trace, [id]) => {
    trace.out.push(`asked for round ${trace.cluster.raft(Number(id)).requestRead()}`);
    trace.cluster.process(Number(id));
  },
  /** transfer N [M] */
  transfer: (trace, [id, to]) => {
    const target = to === undefined ? undefined : Number(to);
    trace.out.push(`${trace.cluster.raft(Number(id)).transferLeadership(target)}`);
    trace.cluster.process(Number(id));
  },
  /** deliver [N M]: what is under way now (from N to M), not what it causes. */
  deliver: (trace, words) => {
    const count = trace.positions(words).length;
    for (let i = 0; i < count; i++) trace.deliver(trace.positions(words)[0]!);
  },
  /** misdeliver N M O: what is under way from N to M comes to O, which has got the address that M had. */
  misdeliver: (trace, [from, to, other]) => {
    const { cluster } = trace;
    for (let at; (at = trace.positions([from!, to!])[0]) !== undefined;) {
      const [message] = cluster.queue.splice(at, 1);
      trace.out.push(`? ${describeMessage(message!)}, at ${other}`);
      const { raft } = cluster.at(Number(other));
      raft.step(message!);
      cluster.process(Number(other));
    }
  },
  /** deliver-last N M: only the newest message on that link. */
  "deliver-last": (trace, words) => trace.deliver(trace.positions(words).at(-1)!),
  /** stabilize: everything, until nothing is under way. */
  stabilize: (trace) => {
    while (trace.cluster.queue.length > 0) trace.deliver(0);
  },
  /** drop [N M] */
  drop: (trace, words) => {
    for (const at of trace.positions(words).reverse()) trace.cluster.queue.splice(at, 1);
  },
  /** delay [N M]: all under way stays away until `arrive`, which puts it in front of the rest. */
  delay: (trace, words) => {
    for (const at of trace.positions(words).reverse()) {
      trace.delayed.unshift(...trace.cluster.queue.splice(at, 1));
    }
  },
  arrive: (trace) => {
    trace.cluster.queue.unshift(...trace.delayed);
    trace.delayed = [];
  },
  /** copy [N M]: all under way arrive twice. */
  copy: (trace, words) => {
    const { queue } = trace.cluster;
    queue.push(...trace.positions(words).map((at) => queue[at]!));
  },
  /** reverse: the newest arrives first. */
  reverse: ({ cluster }) => void cluster.queue.reverse(),
  /** isolate N, cut N M (both ways), cut-one-way N M, heal */
  isolate: ({ cluster }, [id]) => cluster.isolate(Number(id)),
  cut: ({ cluster }, [a, b]) => cluster.cut([Number(a)], [Number(b)]),
  "cut-one-way": ({ cluster }, [a, b]) => cluster.cutOneWay(Number(a), Number(b)),
  heal: ({ cluster }) => cluster.heal(),
  /** hold-disk N, sync-disk N (ends the sync under way), release-disk N */
  "hold-disk": ({ cluster }, [id]) => cluster.holdDisk(Number(id)),
  "sync-disk": ({ cluster }, [id]) => cluster.syncDisk(Number(id)),
  "release-disk": ({ cluster }, [id]) => cluster.holdDisk(Number(id), false),
  /** damage N I: crashes, and has lost entry I and those behind it for certain. */
  damage: ({ cluster }, [id, index]) => {
    const { hardState } = cluster.at(Number(id)).disk;
    cluster.damage(Number(id), Number(index), hardState, true);
  },
  /** crash N, restart N [suspect], disconnect N M: N sees the connection to M break. */
  crash: ({ cluster }, [id]) => cluster.crash(Number(id)),
  restart: (trace, [id, suspect]) => {
    trace.cluster.restart(Number(id), suspect === "suspect");
    trace.out.push(describeState(trace.cluster.raft(Number(id)).state));
  },
  disconnect: ({ cluster }, [id, peer]) => {
    cluster.raft(Number(id)).peerDisconnected(Number(peer));
    cluster.process(Number(id));
  },
  /** snapshot N [I]: a durable snapshot of all that is applied, or up to I. */
  snapshot: (trace, [id, index]) => {
    const at = trace.cluster.snapshot(Number(id), index === undefined ? undefined : Number(index));
    trace.out.push(`${id} snapshot at ${at.index}/t${at.term}`);
  },
  /** compact N I: drops entries up to I. */
  compact: ({ cluster }, [id, index]) => cluster.compact(Number(id), Number(index)),
  /** trim N I: drops entries up to I from memory; the files keep them. */
  trim: ({ cluster }, [id, index]) => cluster.trim(Number(id), Number(index)),
  /** hold-reads N, release-reads N: what is read from N's files comes only then. */
  "hold-reads": ({ cluster }, [id]) => cluster.holdReads(Number(id)),
  "release-reads": ({ cluster }, [id]) => cluster.holdReads(Number(id), false),
  /** hold-install N, install N: a snapshot is durable there, but not taken over before `install`. */
  "hold-install": ({ cluster }, [id]) => cluster.holdInstall(Number(id)),
  install: (trace, [id]) => {
    const replaced = trace.cluster.install(Number(id));
    trace.out.push(replaced ? "the log is replaced" : "nothing is replaced");
  },
  /** snapshot-failed N M: N's stream to M broke. */
  "snapshot-failed": ({ cluster }, [id, follower]) => {
    cluster.snapshotFailed(Number(id), Number(follower));
  },
  /** status: one line a server */
  status: (trace) => {
    for (const { raft, up } of trace.cluster.servers.values()) {
      trace.out.push(up ? describeState(raft.state) : `${raft.state.id} down`);
    }
  },
};
