/** A client whose shell reads as that of net/ does: only where its session wants input. */
import { assertEquals } from "@std/assert";
import type { ClientSession } from "../../lib/node/api.ts";
import { DEFAULT_CLIENT_BOUNDS, DEFAULT_LIMITS, type Limits } from "../../lib/node/limits.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { OneServer } from "./one_server.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A server whose addresses are bounded so. */
export function boundedServer(
  perAddress: Partial<Limits["perAddress"]>,
  more: Partial<Limits> = {},
): OneServer {
  const bounds = { ...DEFAULT_CLIENT_BOUNDS, ...perAddress };
  const sizes = { segmentBytesMax: 1_000_000, reserveBytes: 1_000 };
  const limits = { ...DEFAULT_LIMITS, ...more, perAddress: bounds };
  return new OneServer(new SimDisk(), 1_000_000, sizes, limits);
}

/** A server that bounds users, with a user root that may do everything, and others without a password. */
export function boundedUsers(perUser: Partial<Limits["perUser"]>, ...names: string[]): OneServer {
  const limits = { ...DEFAULT_LIMITS, perUser: { ...DEFAULT_CLIENT_BOUNDS, ...perUser } };
  const server = new OneServer(new SimDisk(), 1_000_000, undefined, limits, false);
  for (let i = 0; i < 200 && server.node.store!.clusterVersion < 3; i++) server.pass(100);
  const root = new BoundedClient(server, "127.0.0.1:1");
  for (const name of ["root", ...names]) {
    root.send(request("ACL", "SETUSER", name, "on", "nopass", "~*", "+@all"));
    pass(50, [root]);
    if (name === "root") root.send(request("AUTH", "root", "x"));
    pass(1_000, [root]);
  }
  assertEquals(server.node.store!.users.count, names.length + 1);
  root.session.disconnected();
  return server;
}

export class BoundedClient {
  readonly server: OneServer;
  readonly session: ClientSession;
  output = "";
  /** What the client has sent and nobody has read. */
  #unread: Uint8Array = new Uint8Array(0);
  #isActive = false;

  constructor(server: OneServer, remote: string) {
    this.server = server;
    this.session = server.node.openSession(remote)!;
    this.session.onActivity = () => this.#isActive = true;
  }

  get unreadBytes(): number {
    return this.#unread.length;
  }

  send(text: string): void {
    const bytes = encoder.encode(text);
    const all = new Uint8Array(this.#unread.length + bytes.length);
    all.set(this.#unread);
    all.set(bytes, this.#unread.length);
    this.#unread = all;
    this.pump();
  }

  /** Goes on as its shell does once it is woken; to be called after each step of the server. */
  pump(): void {
    const { session } = this;
    do {
      this.#isActive = false;
      this.#take();
      for (let progress = true; progress && session.closing === null;) {
        const batch = session.nextBatch();
        progress = batch !== null;
        if (batch !== null) session.submit(batch);
        else if (this.#unread.length > 0 && session.wantsInput) {
          const space = session.inputSpace();
          const count = Math.min(space.length, this.#unread.length);
          space.set(this.#unread.subarray(0, count));
          this.#unread = this.#unread.subarray(count);
          session.received(count);
          progress = true;
        }
      }
      this.server.settle();
      this.#take();
    } while (this.#isActive);
  }

  /** How often each of the replies came, as far as they are lines. */
  counts(): Record<string, number> {
    const found: Record<string, number> = {};
    for (const line of this.output.split("\r\n").slice(0, -1)) found[line] = (found[line] ?? 0) + 1;
    return found;
  }

  expect(output: string): void {
    assertEquals(this.output, output);
    this.output = "";
  }

  #take(): void {
    for (let bytes = this.session.takeOutput(); bytes !== null;) {
      this.output += decoder.decode(bytes);
      this.session.outputWritten();
      bytes = this.session.takeOutput();
    }
  }
}

/** Lets so much time pass, 10 ms at a time; `each` is done after each step. */
export function pass(ms: number, clients: readonly BoundedClient[], each = () => {}): void {
  const { server } = clients[0]!;
  for (let passed = 0; passed < ms; passed += 10) {
    server.tick();
    server.settle();
    for (const client of clients) client.pump();
    each();
  }
}

export function request(...words: string[]): string {
  return `*${words.length}\r\n` + words.map((one) => `$${one.length}\r\n${one}\r\n`).join("");
}
