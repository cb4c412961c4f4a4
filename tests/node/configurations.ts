/** Configurations as a log has them, for tests of those that go by them. */
import { NO_ADDRESSES } from "../../lib/node/members/addresses.ts";
import { makeConfiguration } from "../../lib/raft/configuration.ts";
import { encodeConfiguration } from "../../lib/raft/configuration_codec.ts";
import { ConfigurationHistory } from "../../lib/raft/configuration_history.ts";
import { ENVELOPE_BYTES, writeEnvelope } from "../../lib/raft/envelope.ts";
import type { MembersState } from "../../lib/node/members/known_member.ts";
import { RaftLog } from "../../lib/raft/log.ts";
import { type Configuration, EntryKind, type Member } from "../../lib/raft/types.ts";

/** As the founders' configuration has it, unless told otherwise. */
export function member(
  id: number,
  incarnation: string,
  addresses: Uint8Array = NO_ADDRESSES,
): Member {
  return { id, incarnation, addresses, staysLearner: false };
}

/** All of `members` vote. */
export function voting(...members: Member[]): Configuration {
  return { ...makeConfiguration(members.map(({ id }) => id)), members };
}

/**
 * A core with `founders`, then what `configurations` say, with entry 1 and those after it; all of them are
 * committed.
 */
export function history(
  founders: readonly Member[],
  ...configurations: Configuration[]
): MembersState {
  const first = makeConfiguration(founders.map(({ id }) => id));
  const found = new ConfigurationHistory(0, first, founders);
  found.append(configurations.map((configuration, at) => {
    const payload = encodeConfiguration(configuration);
    const data = new Uint8Array(ENVELOPE_BYTES + payload.length);
    writeEnvelope(data, EntryKind.configuration, 0);
    data.set(payload, ENVELOPE_BYTES);
    return { index: at + 1, term: 1, data };
  }));
  const log = new RaftLog({ index: 0, term: 0 }, []);
  return { configurations: found, commitIndex: configurations.length, log, term: 1 };
}
