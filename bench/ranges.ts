/**
 * Pages of 100 keys with their values, under prefixes among a million keys, read by 100 clients one page
 * after the other: raftkv beside etcd, servers of both with default timings, in turns. etcd is loaded by a
 * program in Go, its own client (etcd_ranges.go); raftkv over plain sockets.
 */
import { Cluster } from "./cluster.ts";
import { EtcdCluster } from "./etcd_cluster.ts";
import { fillEtcd } from "./fill_etcd.ts";
import { parseFlags } from "./flags.ts";
import { findLeader } from "./find_leader.ts";
import { buildGo, run } from "./go_program.ts";
import { type Address, connectWithin } from "./line_client.ts";
import { median } from "./median.ts";
import { fillCluster } from "./memory_subjects.ts";
import { formatCount, formatTable } from "./table.ts";
import { keyName, loadOnce } from "./writes.ts";

const HELP = `deno task bench:ranges [flags]

  --keys K          (1000000), a multiple of 100
  --value-bytes N   (64)
  --clients C       (100)
  --seconds S       of each round (5)
  --rounds R        (3)
  --servers N       of each (3)`;

const PAGE_KEYS = 100;
const WANTED = 5;
const TIMEOUT_MS = 10_000;
const ETCD_OPERATIONS = 1_000;
const ETCD_FLAGS = ["--max-txn-ops", `${ETCD_OPERATIONS}`, "--quota-backend-bytes", "8000000000"];
const encoder = new TextEncoder();

type Flags = ReturnType<typeof readFlags>;

function readFlags() {
  return parseFlags(HELP, {
    keys: 1_000_000,
    valueBytes: 64,
    clients: 100,
    seconds: 5,
    rounds: 3,
    servers: 3,
  });
}

/** A request for the page whose keys share all but their last two digits. */
function request(page: number): Uint8Array {
  const start = keyName(page * PAGE_KEYS).slice(0, -2);
  const end = `${start}:`;
  const words = ["RAFTKV.RANGE", start, end, "LIMIT", `${PAGE_KEYS}`];
  const text = words.map((word) => `$${word.length}\r\n${word}\r\n`).join("");
  return encoder.encode(`*${words.length}\r\n${text}`);
}

/** The bytes of a page's reply, all of whose keys are of version 1. */
function replyBytes(valueBytes: number): number {
  const bulk = (bytes: number) => `$${bytes}\r\n`.length + bytes + 2;
  const entry = "*4\r\n:1\r\n:-1\r\n".length + bulk(keyName(0).length) + bulk(valueBytes);
  return `*2\r\n$-1\r\n*${PAGE_KEYS}\r\n`.length + PAGE_KEYS * entry;
}

/** One client's pages until `endMs`. @throws {Error} where one is not as long as it has to be. */
async function readPages(address: Address, flags: Flags, endMs: number): Promise<number> {
  const conn = await connectWithin(address, TIMEOUT_MS);
  const wanted = replyBytes(flags.valueBytes);
  const buffer = new Uint8Array(2 * wanted);
  let pages = 0;
  try {
    while (performance.now() < endMs) {
      await conn.write(request(Math.floor(Math.random() * flags.keys / PAGE_KEYS)));
      let got = 0;
      while (got < wanted) {
        const count = await conn.read(buffer.subarray(got));
        if (count === null) throw new Error("raftkv: a connection ended");
        got += count;
        if (buffer[0] === 0x2d || got > wanted) {
          throw new Error(new TextDecoder().decode(buffer.subarray(0, Math.min(got, 200))));
        }
      }
      pages++;
    }
  } finally {
    conn.close();
  }
  return pages;
}

async function raftkvRate(leader: Address, flags: Flags): Promise<number> {
  const startMs = performance.now();
  const endMs = startMs + 1_000 * flags.seconds;
  const each = Array.from({ length: flags.clients }, () => readPages(leader, flags, endMs));
  const pages = (await Promise.all(each)).reduce((sum, count) => sum + count, 0);
  return pages * 1_000 / (performance.now() - startMs);
}

async function etcdRate(program: string, port: number, flags: Flags): Promise<number> {
  const args = ["-endpoint", `127.0.0.1:${port}`, "-clients", `${flags.clients}`]
    .concat("-keys", `${flags.keys}`, "-seconds", `${flags.seconds}`);
  const { perSecond, wrong } = JSON.parse(await run(program, args)) as Record<string, number>;
  if (wrong! > 0) throw new Error(`etcd: ${wrong} pages were wrong`);
  return perSecond!;
}

async function main(flags: Flags): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "ranges-bench-" });
  const cluster = await Cluster.start({ servers: flags.servers });
  const etcd = await EtcdCluster.start(flags.servers, undefined, ETCD_FLAGS);
  try {
    const program = await buildGo("etcd_ranges.go", directory);
    const port = etcd.clientPort(await etcd.leader());
    const url = `http://127.0.0.1:${port}`;
    const writes = loadOnce(flags.keys, flags.valueBytes);
    await fillCluster(cluster.addresses, writes, flags.valueBytes);
    await fillEtcd(url, writes, flags.valueBytes, ETCD_OPERATIONS, 4);
    const leader = await findLeader(cluster.addresses, TIMEOUT_MS);
    const rates: Record<"raftkv" | "etcd", number[]> = { raftkv: [], etcd: [] };
    for (let round = 1; round <= flags.rounds; round++) {
      rates.raftkv.push(await raftkvRate(leader, flags));
      rates.etcd.push(await etcdRate(program, port, flags));
      console.log(
        `round ${round}: raftkv ${formatCount(rates.raftkv.at(-1)!)}, ` +
          `etcd ${formatCount(rates.etcd.at(-1)!)} pages/s`,
      );
    }
    const ratios = rates.raftkv.map((rate, i) => rate / rates.etcd[i]!);
    const row = [rates.raftkv, rates.etcd].map((all) => formatCount(median(all)));
    console.log(formatTable(
      ["pages/s, medians", "raftkv", "etcd", "raftkv / etcd", "wanted"],
      [[`${flags.clients} clients`, ...row, median(ratios).toFixed(2), `>= ${WANTED}`]],
    ));
  } finally {
    await cluster.stop();
    await etcd.stop();
    Deno.removeSync(directory, { recursive: true });
  }
}

if (import.meta.main) await main(readFlags());
