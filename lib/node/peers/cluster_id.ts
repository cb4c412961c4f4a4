/**
 * A cluster's id: 128 bits that all founders compute in the same way from the list of their ids and
 * incarnations. The incarnations are random, so no two clusters share an id.
 */
import type { ClusterId, FoundingMember } from "../../storage/types.ts";

/** The id of the cluster that `members`, sorted by id, found together. */
export function clusterIdOf(members: readonly FoundingMember[]): ClusterId {
  const text = members.map((member) => `${member.serverId}:${member.incarnation};`).join("");
  let id = "";
  for (let word = 0; word < 4; word++) {
    id += mix(text, 0x9e3779b9 * (word + 1)).toString(16).padStart(8, "0");
  }
  return id;
}

/**
 * The seed of the store's hash: the same on all servers of the cluster, and as secret as the log
 * port: clients never see an incarnation, so they can't choose keys that collide.
 */
export function hashSeedOf(members: readonly FoundingMember[]): number {
  return mix(members.map((member) => member.incarnation).join("/"), 0x51ed270b);
}

/** MurmurHash3 (Appleby, public domain) in 32 bits, over UTF-16 units. */
function mix(text: string, seed: number): number {
  let h = seed | 0;
  for (let i = 0; i < text.length; i++) {
    let k = Math.imul(text.charCodeAt(i), 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    h ^= Math.imul(k, 0x1b873593);
    h = Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64 | 0;
  }
  h ^= text.length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
