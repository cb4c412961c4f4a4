/** Fills a server of etcd by large transactions over its JSON gateway: one put a request takes an hour. */
import { keyName, type Put, type WriteSequence } from "./writes.ts";

type EtcdOperation = object;

/**
 * Carries out all of `writes`, whose values have up to `valueBytesMax`, so many in a transaction; the server
 * has to allow that (`--max-txn-ops`). `atOnce`: transactions on their way, whose order is not kept.
 */
export async function fillEtcd(
  url: string,
  writes: WriteSequence,
  valueBytesMax: number,
  operationsMax: number,
  atOnce = 1,
): Promise<void> {
  const value = btoa("v".repeat(valueBytesMax));
  let operations: EtcdOperation[] = [];
  const underWay = new Set<Promise<unknown>>();
  const failures: unknown[] = [];
  const untilFewer = async (count: number) => {
    while (underWay.size >= count && failures.length === 0) await Promise.race(underWay);
    if (failures.length > 0) throw failures[0];
  };
  const commit = async () => {
    const one: Promise<unknown> = postEtcd(url, "kv/txn", { success: operations })
      .catch((error) => failures.push(error))
      .finally(() => underWay.delete(one));
    underWay.add(one);
    await untilFewer(atOnce);
  };
  const put: Put = (key, valueBytes) => {
    const name = btoa(keyName(key));
    operations.push(
      valueBytes < 0
        ? { requestDeleteRange: { key: name } }
        : { requestPut: { key: name, value: base64Prefix(value, valueBytes) } },
    );
  };
  for (let at = 0; writes(at, put); at++) {
    if (operations.length < operationsMax) continue;
    await commit();
    operations = [];
  }
  if (operations.length > 0) await commit();
  await untilFewer(1);
}

/** @throws {Error} with what etcd answered, where it refused. */
export async function postEtcd(url: string, path: string, body: object): Promise<string> {
  const response = await fetch(`${url}/v3/${path}`, { method: "POST", body: JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw new Error(`etcd answered ${response.status}: ${text.slice(0, 200)}`);
  return text;
}

/** Base64 of the first `bytes` of what `encoded` stands for: all its bytes are alike. */
function base64Prefix(encoded: string, bytes: number): string {
  const whole = encoded.slice(0, Math.floor(bytes / 3) * 4);
  return whole + btoa("v".repeat(bytes % 3));
}
