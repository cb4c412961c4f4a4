/** What servers do that locks are made of: client sessions with bound keys, versions, ranges and watches. */
import { bulk, type FakeServer, type Peer } from "./fake_server.ts";

interface Kept {
  readonly version: number;
  readonly value: string;
}

interface FakeSession {
  readonly bound: Map<string, number>;
  readonly replies: Map<string, string>;
}

export class FakeLocks {
  readonly keys = new Map<string, Kept>();
  readonly sessions = new Map<string, FakeSession>();
  /** Writes that were asked for again. */
  again = 0;
  /** What happened to keys, in order: "set jobs 1", "delete jobs 1". */
  readonly told: string[] = [];
  /** All requests but those that every connection begins with. */
  readonly asked: string[][] = [];
  #opened = 0;
  #floor = 0;
  #revision = 1;
  readonly #watches: { readonly peer: Peer; readonly pattern: string }[] = [];
  readonly #queues = new Map<Peer, string[][]>();

  /** Makes a server answer by this; `first` may answer otherwise. */
  serve(
    server: FakeServer,
    first: (request: readonly string[], peer: Peer) => string | null | undefined = () => undefined,
  ): void {
    server.answer = (request, peer) => {
      const ordered = first(request, peer);
      return ordered === undefined ? this.answer([...request], peer) : ordered;
    };
  }

  answer(request: string[], peer: Peer): string | null | undefined {
    const [name, ...words] = request;
    const queue = this.#queues.get(peer);
    if (name === "HELLO" || name === "CLUSTER") return undefined;
    this.asked.push(request);
    switch (name) {
      case "MULTI":
        this.#queues.set(peer, []);
        return "+OK\r\n";
      case "RAFTKV.SESSION":
        return this.#session(words, peer);
      case "RAFTKV.WATCH":
        this.#watches.push({ peer, pattern: words[0]! });
        return `*2\r\n:${this.#revision}\r\n$32\r\n${"0".repeat(32)}\r\n`;
    }
    if (queue === undefined) return this.#run(request);
    queue.push(request);
    return "+QUEUED\r\n";
  }

  /** How often a command came, in a client session or without. */
  count(name: string): number {
    return this.asked.filter((words) => words.includes(name)).length;
  }

  /** The session's time is over, or it was closed. */
  end(id: string): boolean {
    const session = this.sessions.get(id);
    if (session === undefined) return false;
    this.sessions.delete(id);
    for (const [key, version] of session.bound) {
      if (this.keys.get(key)?.version === version) this.remove(key);
    }
    return true;
  }

  set(key: string, value: string): number {
    const version = Math.max(this.#floor, this.keys.get(key)?.version ?? 0) + 1;
    this.keys.set(key, { version, value });
    this.#tell("set", key, version, value);
    return version;
  }

  remove(key: string): boolean {
    const found = this.keys.get(key);
    if (found === undefined) return false;
    this.keys.delete(key);
    this.#floor = Math.max(this.#floor, found.version);
    this.#tell("delete", key, found.version);
    return true;
  }

  #session([verb, id = "", sequence = "", , ...command]: string[], peer: Peer): string {
    if (verb === "OPEN") {
      this.sessions.set(`${++this.#opened}`, { bound: new Map(), replies: new Map() });
      return `:${this.#opened}\r\n`;
    }
    if (verb === "CLOSE") return this.end(id) ? ":1\r\n" : ":0\r\n";
    const queue = this.#queues.get(peer) ?? [];
    if (command[0] === "EXEC") this.#queues.delete(peer);
    const session = this.sessions.get(id);
    if (session === undefined) return "-SESSION this client session is unknown or over\r\n";
    if (verb === "PING") return ":1000\r\n";
    const kept = session.replies.get(sequence);
    if (kept !== undefined) {
      this.again++;
      return kept;
    }
    let reply: string;
    if (command[0] === "EXEC") {
      reply = `*${queue.length}\r\n${queue.map((one) => this.#run(one)).join("")}`;
    } else if (command[0] === "BIND") {
      const [, , key = ""] = command;
      const before = this.keys.get(key)?.version;
      reply = this.#run(command.slice(1));
      const { version } = this.keys.get(key)!;
      if (version !== before) session.bound.set(key, version);
    } else reply = this.#run(command);
    session.replies.set(sequence, reply);
    return reply;
  }

  #run([name, key = "", value = "", more = ""]: string[]): string {
    const found = this.keys.get(key);
    switch (name) {
      case "RAFTKV.CAS":
        return found === undefined && more === "0" ? `:${this.set(key, value)}\r\n` : ":0\r\n";
      case "RAFTKV.GET":
        if (found === undefined) return "_\r\n";
        return `*3\r\n:${found.version}\r\n:-1\r\n${bulk(found.value)}`;
      case "SET":
        this.set(key, value);
        return "+OK\r\n";
      case "DEL":
        return this.remove(key) ? ":1\r\n" : ":0\r\n";
      case "PERSIST":
        return ":0\r\n";
      case "MGET": {
        const values = [key, value, more].filter((one) => one !== "");
        return `*${values.length}\r\n${
          values.map((one) => bulk(this.keys.get(one)?.value)).join("")
        }`;
      }
      case "RAFTKV.RANGE": {
        const within = [...this.keys.keys()].filter((one) => one >= key && one < value).sort();
        return `*2\r\n_\r\n*${within.length}\r\n${within.map((one) => bulk(one)).join("")}`;
      }
      default:
        return `-ERR unknown command '${name}'\r\n`;
    }
  }

  #tell(kind: string, key: string, version: number, value?: string): void {
    this.told.push(`${kind} ${key} ${version}`);
    this.#revision++;
    const event = `*4\r\n${bulk(kind)}${bulk(key)}:${version}\r\n${bulk(value)}`;
    for (const { peer, pattern } of this.#watches) {
      const isFor = pattern.endsWith("*") ? key.startsWith(pattern.slice(0, -1)) : key === pattern;
      if (!isFor) continue;
      const head = `*4\r\n${bulk("raftkv.watch")}${bulk(pattern)}:${this.#revision}\r\n`;
      // After the reply of the command that did it.
      setTimeout(() => peer.write(`${head}*1\r\n${event}`), 0);
    }
  }
}
