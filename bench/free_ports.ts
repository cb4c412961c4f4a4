/**
 * Ports for servers of a benchmark or a test: this process takes a block of them for itself, and hands
 * out one after another.
 *
 * The blocks lie below the range that the system gives to outgoing connections. In that range
 * somebody's outgoing connection could have the port of a server that is down for a moment, which then
 * can't come back for a minute, and whoever dials that server could be connected to itself.
 *
 * Who listens on a block's first port has the block: two runs at the same time never share one, and
 * the end of the process gives it back however it ends.
 */

const LOW = 10_000;
const HIGH = 30_000;
/** So many are handed out; a server's admin port is so far above its client port, and in the same block. */
const BLOCK_PORTS = 100;
const BLOCK_SPAN = 2 * BLOCK_PORTS;
/** Linux's own, where the system does not say from where on it gives ports to connections. */
const OUTGOING_FROM = 32_768;

interface Block {
  readonly first: number;
  /** Held to the end of the process. */
  readonly claim: Deno.Listener;
  /** How many ports were looked at. */
  taken: number;
}

/** Made when this file is loaded: a test would be told off for a listener that outlives it. */
const block = claimBlock();

/**
 * `count` different ports on 127.0.0.1 that nobody listens on now. They come round again after some
 * hundred, so give the ports of what has ended no chance to be mixed up with those of what begins.
 */
export function freePorts(count: number): number[] {
  const ports: number[] = [];
  for (let tries = 1; ports.length < count; tries++) {
    if (tries >= BLOCK_PORTS) {
      throw new Error(`No ${count} free ports from ${block.first} to ${block.first + BLOCK_PORTS}`);
    }
    const port = block.first + 1 + block.taken++ % (BLOCK_PORTS - 1);
    const listener = listenOn(port);
    listener?.close();
    if (listener !== null) ports.push(port);
  }
  return ports;
}

function claimBlock(): Block {
  const high = Math.min(HIGH, outgoingFrom());
  const count = Math.floor((high - LOW) / BLOCK_SPAN);
  const start = Math.floor(Math.random() * count);
  for (let i = 0; i < count; i++) {
    const first = LOW + (start + i) % count * BLOCK_SPAN;
    const claim = listenOn(first);
    if (claim !== null) return { first, claim, taken: 0 };
  }
  throw new Error(`No free block of ${BLOCK_PORTS} ports between ${LOW} and ${high}`);
}

/** Null where the port can't be had. */
function listenOn(port: number): Deno.Listener | null {
  try {
    return Deno.listen({ hostname: "127.0.0.1", port });
  } catch {
    return null;
  }
}

function outgoingFrom(): number {
  try {
    const range = Deno.readTextFileSync("/proc/sys/net/ipv4/ip_local_port_range");
    return Number.parseInt(range, 10);
  } catch {
    return OUTGOING_FROM;
  }
}
