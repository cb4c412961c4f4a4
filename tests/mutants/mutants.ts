/** Bugs put in on purpose: what the simulator has to find. */
import { type Mutant, mutant } from "./mutant.ts";
import { BOUNDS } from "./security_mutants.ts";
import { CONDITIONS } from "./condition_mutants.ts";
import { SIMULATED_SCRIPTS } from "./script_mutants.ts";
import { SESSIONS } from "./session_mutants.ts";
import { USERS } from "./user_mutants.ts";
import { FORWARDS } from "./forward_mutants.ts";
import { SUBSCRIBERS } from "./pubsub_mutants.ts";
import { WATCHES } from "./watch_mutants.ts";

/** The list of reliability.md §3.5; 14 to 16 are in membership_mutants.ts. */
export const GIVEN: readonly Mutant[] = [
  mutant("1", "An older term's entry commits by counting", [
    "raft/commit.ts",
    "  if (index <= state.commitIndex || state.log.termAt(index) !== state.term) return;",
    "  if (index <= state.commitIndex) return;",
  ]),
  mutant("2", "A vote leaves before it is synced", [
    "raft/votes.ts",
    "  if (granted && !preVote) sendAfterSync(state, response);\n  else send(state, response);",
    "  send(state, response);",
  ]),
  mutant("3", "The term is persisted, the vote is not", [
    "raft/ready.ts",
    "votedFor: state.votedFor, suspect",
    "votedFor: 0, suspect",
  ]),
  mutant("4", "An append is acknowledged before it is synced", [
    "raft/output.ts",
    '  sendAfterSync(state, {\n    kind: "appendResponse",',
    '  send(state, {\n    kind: "appendResponse",',
  ], [
    "raft/output.ts",
    "    readRound,\n  }, index);",
    "    readRound,\n  });",
  ]),
  mutant("5", "A failed sync passes for a good one", [
    "storage/wal/segmented_log.ts",
    '    this.#state = error === null || error instanceof DiskFullError ? "idle" : "failed";\n    done(error);',
    '    this.#state = "idle";\n    done(error instanceof DiskFullError ? error : null);',
  ]),
  mutant("6", "Votes of an older term count", [
    "raft/step.ts",
    "  if (message.term < state.term) return answerOldTerm(state, message);",
    '  if (message.term < state.term && message.kind !== "voteResponse") {\n    return answerOldTerm(state, message);\n  }',
  ]),
  mutant("7", "Whoever asks gets a vote, whatever its log", [
    "raft/log.ts",
    "    if (lastTerm !== this.lastTerm) return lastTerm > this.lastTerm;\n    return lastIndex >= this.lastIndex;",
    "    return lastIndex >= 0 && lastTerm >= 0;",
  ]),
  mutant("8", "Logs are compared by their length alone", [
    "raft/log.ts",
    "    if (lastTerm !== this.lastTerm) return lastTerm > this.lastTerm;\n",
    "    void lastTerm;\n",
  ]),
  mutant("9", "Every append cuts what lies behind it", [
    "raft/follower.ts",
    "  if (known === entries.length) return;",
    "  const end = message.prevIndex + entries.length;\n  if (known === entries.length) {\n    if (end < log.lastIndex && end >= state.commitIndex) truncateLog(state, end + 1);\n    return;\n  }",
  ]),
  mutant("10", "A follower commits what the leader has, whether or not it holds the same", [
    "raft/follower.ts",
    "commitTo(state, Math.min(message.commitIndex, verifiedIndex));",
    "commitTo(state, Math.min(message.commitIndex, log.lastIndex));",
  ], [
    "raft/replication.ts",
    "      commitIndex: Math.min(state.commitIndex, matchIndex),",
    "      commitIndex: Math.max(state.commitIndex, matchIndex),",
  ]),
  mutant("11", "A new leader commits nothing of its own and reads at once", [
    "raft/leader.ts",
    "  appendProposal(state, leader, state.options.makeNoop());",
    "  state.options.makeNoop();",
  ], [
    "raft/read_index.ts",
    "reads.started === reads.ended &&\n    state.log.termAt(state.commitIndex) === state.term;",
    "reads.started === reads.ended;",
  ]),
  mutant("12", "An answer to the round before confirms a read round", [
    "raft/read_index.ts",
    "  const hasAnswered = (id: number) => (progress.get(id)?.readRound ?? 0) >= reads.started;",
    "  const hasAnswered = (id: number) => (progress.get(id)?.readRound ?? 0) >= reads.started - 1;",
  ]),
  mutant("13", "A leader reads without asking whether it still leads", [
    "raft/read_index.ts",
    "  if (!hasQuorumWith(configurationOf(state), state.id, hasAnswered)) return;",
    "  void hasQuorumWith(configurationOf(state), state.id, hasAnswered);",
  ]),
  mutant("17", "A leader stays one without a majority's answers", [
    "raft/leader.ts",
    "    if (!checkQuorum(state, leader)) {",
    "    if (!checkQuorum(state, leader) && state.term < 0) {",
  ]),
  mutant("18", "A pre-vote is answered only where the terms are equal", [
    "raft/votes.ts",
    "  if (request.term < state.term) return respond(state, request, false);",
    "  if (request.preVote && request.term !== state.term + 1) return;\n  if (request.term < state.term) return respond(state, request, false);",
  ]),
  mutant("19", "A server that begins with a snapshot has no client sessions", [
    "kv/store.ts",
    "    this.clientSessions = restored?.clientSessions ?? new ClientSessions();",
    "    this.clientSessions = new ClientSessions();",
  ]),
  mutant("20", "An older snapshot takes the place of newer contents", [
    "raft/snapshot.ts",
    "  if (position.index <= state.commitIndex) return false;\n",
    "",
  ]),
  mutant("21", "Recovery ends in silence at the first record that does not check out", [
    "storage/recovery/scan_records.ts",
    '        ending: head.recycled && end !== 0 ? "ended" : "open",\n        after: after.found,',
    '        ending: head.recycled ? "ended" : "open",\n        after: head.recycled ? "bytes" : "zeroes",',
  ]),
  mutant("22", "A new segment's name is not synced", [
    "storage/segments/make_segment.ts",
    "  disk.rename(temporary, path);\n  disk.syncDirectory(directory);",
    "  disk.rename(temporary, path);",
  ], [
    "storage/segments/make_segment.ts",
    "then(() => disk.syncDirectoryLater(directory, then(left))),",
    "then(left),",
  ]),
  mutant("23", "A read expires keys by its server's own clock", [
    "node/session/reply_composer.ts",
    "    if (strict && isDue) return false;",
    "    if (strict && isDue) result.status = Status.notFound;",
  ], [
    "node/evaluator.ts",
    "    return this.#state.clocks.leader;",
    "    return { nowMs: () => this.#state.options.clock.wallMs(), aheadOfWallMs: () => 0 };",
  ]),
  mutant("24", "Entries keep views of the buffer that was read into", [
    "wire/rpc/frame_decoder.ts",
    "(reader, count) => this.#arena.copy(reader.view(count));",
    "reader.view(reader.remaining);",
  ]),
];

/** Bugs of our own, which the other tests let through. */
export const OWN: readonly Mutant[] = [
  mutant("ticket-32", "The index that a reply waits for has 32 bits", [
    "node/log/append.ts",
    "        proposal.index = result.index;",
    "        proposal.index = result.index | 0;",
  ]),
  mutant("ticket-any", "A reply goes out with the next entry, whichever it is", [
    "node/log/append.ts",
    "if (oldest === undefined || oldest.index !== index || oldest.term !== term) return null;",
    "if (oldest === undefined || oldest.term !== term || index < 0) return null;",
  ]),
  mutant("tickets-stay", "What an old leadership promised stays in the queue", [
    "node/leadership.ts",
    "    state.appender.forgetProposals();\n",
    "",
  ]),
  mutant("entry-view", "The gathered commands are a view of the buffer for the next ones", [
    "node/log/append.ts",
    "    const data = this.#arena.copy(this.#open.bytes, 0, this.#open.length);",
    "    const data = this.#open.bytes.subarray(0, this.#open.length);",
  ]),
  mutant("ack-in-node", "The node sends what has to wait for the sync at once", [
    "node/node.ts",
    "    if (ready.persist !== null) persister.persist(ready.persist, ready.messages.length > 0);",
    "    for (const message of ready.persist?.messagesAfterSync ?? []) links.send(message);\n    if (ready.persist !== null) persister.persist(ready.persist, ready.messages.length > 0);",
  ]),
  mutant("reads-unasked", "Reads need no round", [
    "node/evaluator.ts",
    "    return this.#state.replica?.raft.requestRead() ?? 0;",
    "    return 0;",
  ]),
  mutant("reads-late", "A read in front of a write of its own connection is evaluated behind it", [
    "node/log/apply.ts",
    "      session.beforeApply(position);\n      store.applyCommand(data, offset, result);",
    "      store.applyCommand(data, offset, result);\n      session.beforeApply(position);",
  ]),
  mutant("snapshot-term", "A snapshot names the term of today, not its entry's", [
    "node/snapshots/snapshot_maker.ts",
    "term: raft.state.log.termAt(index) };",
    "term: raft.state.term };",
  ]),
  mutant("install-any", "A received snapshot is taken over whatever the core says", [
    "node/snapshots/snapshots.ts",
    "    if (!this.#raft.restore(received.position, received.configuration)) return null;",
    "    this.#raft.restore(received.position, received.configuration);",
  ]),
  mutant("install-busy", "A snapshot is installed while a batch is on its way to the disk", [
    "node/node.ts",
    "    if (snapshots.hasReceived && !persister.isBusy) this.#install(replica);",
    "    if (snapshots.hasReceived) this.#install(replica);",
  ]),
  mutant("snapshot-stalls", "Lost pieces of a snapshot are never sent again", [
    "node/snapshots/snapshot_sender.ts",
    "    if (nowMs - this.#progressMs < STALL_MS) return;",
    "    if (nowMs - this.#progressMs < STALL_MS * 1_000_000) return;",
  ]),
  mutant("output-reused", "Replies are added to the buffer that is being written", [
    "util/output_buffer.ts",
    "    this.#filling = next;\n    this.#flying = full;",
    "    if (full.length < 40) next.bytes = full.bytes;\n    this.#filling = next;\n    this.#flying = full;",
  ]),
  mutant("leadership-kept", "Sessions are not told that their server leads no more", [
    "node/leadership.ts",
    "    state.sessions.leadershipLost(ClientError.redirect);\n",
    "",
  ]),
  mutant(
    "log-trimmed",
    "Memory drops entries that a snapshot under way to a follower leads up to",
    [
      "node/snapshots/snapshot_streams.ts",
      "      index = Math.min(index, sender.body.position.index);",
      "      index = Math.max(index, sender.body.position.index);",
    ],
  ),
  mutant("rounds-stay", "A round's readers outlive the leadership", [
    "node/leadership.ts",
    "    state.readWaiters.clear();\n",
    "",
  ], ["node/leadership.ts", "    state.sessions.leadershipLost(ClientError.redirect);\n", ""]),
  mutant("commit-applies-less", "A no-op's stamp moves nothing", [
    "node/log/apply.ts",
    "  store.beginEntry(entry.index, entryStampMs(entry));",
    "  store.beginEntry(entry.index, proposal === null && entry.data.length === ENVELOPE_BYTES ? 0 : entryStampMs(entry));",
  ]),
  mutant("store-forgotten", "What recovery loads from a snapshot is not what is used", [
    "node/replica.ts",
    "    load: (file) => replica.store = loadStore(storeOptions, file),",
    "    load: (file) => void loadStore(storeOptions, file),",
  ]),
  mutant("own-hash", "Each server hashes its keys in its own way", [
    "node/replica.ts",
    "hashSeed: hashSeedOf(formation.members) };",
    "hashSeed: hashSeedOf(formation.members) + options.serverId };",
  ]),
  mutant("acks-dropped", "What waited for the sync never leaves", [
    "node/node.ts",
    "    for (const message of batch.messagesAfterSync) links.send(message);",
    "    void batch.messagesAfterSync;",
  ]),
  mutant("round-late", "A round's confirmation lets only the rounds before it go on", [
    "node/log/read_waiters.ts",
    "oldest.number <= round",
    "oldest.number < round",
  ]),
  mutant("follower-reads", "A follower that knows its leader reads by itself", [
    "node/evaluator.ts",
    "this.monotonicMs()))) {\n      return ClientError.redirect;",
    "this.monotonicMs()))) {\n      return 0;",
  ]),
  mutant("apply-less", "Followers leave out a long entry's last command", [
    "node/log/apply.ts",
    "  for (let offset = ENVELOPE_BYTES; offset < data.length; offset += commandLength(data, offset)) {",
    "  for (let offset = ENVELOPE_BYTES; offset < Math.min(data.length, 900); offset += commandLength(data, offset)) {",
  ]),
  mutant("trim-early", "Memory drops what this server's disk does not hold yet", [
    "node/snapshots/log_trimmer.ts",
    "    const last = Math.min(appliedIndex, log.durableIndex);",
    "    const last = appliedIndex;",
  ]),
  mutant("read-unchecked", "What is read of the log for a follower is sent as it comes", [
    "storage/wal/log_reader.ts",
    "      const end = checkRecord(bytes, at, chain);",
    "      const end = checkRecord(bytes, at, chain) || at + RECORD_HEAD_BYTES + readU32(bytes, at + 4);",
  ]),
  mutant("read-replaced", "Entries that were replaced are read for a follower", [
    "storage/wal/log_index.ts",
    "      last.lastIndex = firstIndex - 1;\n",
    "",
  ]),
  mutant("read-nothing", "A follower that no file has entries for gets no snapshot", [
    "raft/replication.ts",
    "  else needSnapshot(state, progress);",
    "  else if (progress.nextIndex < 0) needSnapshot(state, progress);",
  ]),
  mutant("read-skips", "What is left of a read beyond the window is taken for sent", [
    "raft/replication.ts",
    "    const { ahead, nextIndex } = progress;\n    const at = ahead.length === 0 ? 0 : nextIndex - ahead[0]!.index;",
    "    const { ahead, nextIndex } = progress;\n    const at = ahead.length === 0 ? 0 : Math.min(1, nextIndex - ahead[0]!.index);",
  ]),
  mutant("room-over-log", "Zeroes for the batches to come begin a byte too early", [
    "storage/wal/preallocation.ts",
    "file.write(from, this.#zeroes.subarray(0, count));",
    "file.write(from - 1, this.#zeroes.subarray(0, count));",
  ]),
  mutant("remains-count", "A recycled segment may end anywhere", [
    "storage/recovery/classify_tail.ts",
    'no end in a recycled segment`, "torn", {',
    'no end in a recycled segment`, "clean", {',
  ]),
  mutant("reads-before-piece", "Reads go out before the piece of the log that they have to see", [
    "raft/ready.ts",
    "  if (reads.length === 0 || reads[0]!.readIndex > applyingIndex) return NO_READS;",
    "  if (reads.length === 0 || applyingIndex < 0) return NO_READS;",
  ], [
    "raft/ready.ts",
    "  const later = reads.findIndex(({ readIndex }) => readIndex > applyingIndex);",
    "  const later = reads.findIndex(({ readIndex }) => readIndex < 0);",
  ], [
    "node/node.ts",
    '      assert(store.appliedIndex >= readIndex, "A read round is ahead of what is applied");',
    "      void readIndex;",
  ]),
  mutant("thrifty-forgets", "What was deferred waits for the next entry, however long", [
    "raft/thrifty_appends.ts",
    "  state.output.appendsDue = leader.thrifty.isOverdue = true;",
    "  leader.thrifty.broadcastDueMs = Infinity;",
  ]),
  mutant("ticket-term", "A committed entry finds its client by its index, whatever its term", [
    "node/log/append.ts",
    "if (oldest === undefined || oldest.index !== index || oldest.term !== term) return null;",
    "if (oldest === undefined || oldest.index !== index || term < 0) return null;",
  ]),
  mutant("keep-due", "KEEPTTL keeps the deadline of a key whose time has come", [
    "kv/commands/writes.ts",
    "    const keeps = isPresent && (flags & SetFlag.keepExpiry) !== 0;",
    "    const keeps = keys.deadlineMs !== 0 && (flags & SetFlag.keepExpiry) !== 0;",
  ]),
  mutant("change-due", "What is made of a due key by a change has the old deadline", [
    "kv/commands/writes.ts",
    "    value.write(this.#beginValue(bytes, offset, keyStart));\n    this.#endValue(bytes, offset, this.#keptDeadline, SetCause.add, result);",
    "    value.write(this.#beginValue(bytes, offset, keyStart));\n    this.#endValue(bytes, offset, keys.deadlineMs, SetCause.add, result);",
  ]),
  mutant("due-late", "A key lives on through the entry that its deadline is the stamp of", [
    "kv/commands/keyspace.ts",
    "    this.isPresent = deadlineMs === 0 || deadlineMs > this.clockMs;",
    "    this.isPresent = deadlineMs === 0 || deadlineMs >= this.clockMs;",
  ]),
  mutant("watch-due", "A watched key whose time has come is as it was", [
    "kv/commands/groups.ts",
    "      if ((isPresent ? this.#keys.head.version : 0) !== readU64(bytes, at)) {",
    "      const isHeld = isPresent || this.#keys.deadlineMs !== 0;\n      if ((isHeld ? this.#keys.head.version : 0) !== readU64(bytes, at)) {",
  ]),
  mutant("persist-due", "PERSIST brings back a key whose time has come", [
    "kv/commands/writes.ts",
    "    const hasDeadline = keys.isPresent && keys.deadlineMs !== 0;",
    "    const hasDeadline = keys.deadlineMs !== 0;",
  ]),
  mutant("expire-due", "EXPIRE brings back a key whose time has come", [
    "kv/commands/writes.ts",
    "    result.setInteger(0);\n    if (!keys.isPresent) return;",
    "    result.setInteger(0);\n    if (!keys.isPresent && keys.deadlineMs === 0) return;",
  ]),
  mutant("getdel-view", "GETDEL shows the place of a value that is given up", [
    "kv/commands/writes.ts",
    "    this.#keys.show(result);\n    result.keepValue();\n    this.#keys.remove();",
    "    this.#keys.show(result);\n    this.#keys.remove();",
  ]),
  mutant("getset-view", "GETSET shows the place of a value that is written over", [
    "kv/commands/writes.ts",
    "    if (returnsOld && isPresent) {\n      keys.show(result);\n      result.keepValue();\n    }",
    "    if (returnsOld && isPresent) keys.show(result);",
  ]),
  mutant("reads-view", "A transaction's reads show the places of values that it writes over", [
    "kv/commands/groups.ts",
    "    part.keepValue();\n    return keptBytes + part.length;",
    "    return keptBytes + part.length;",
  ]),
  mutant("list-view", "A transaction's MGET shows the places of values that it writes over", [
    "kv/commands/groups.ts",
    "    else inner.keepValue();",
    "    else void inner;",
  ]),
  mutant("reads-moved", "Waiting reads that are moved are looked for where they were", [
    "node/session/pending_commands.ts",
    "      if (hasBytes(this.kind(p))) this.#numbers[at]! -= from;",
    "      if (hasBytes(this.kind(p))) this.#numbers[at]! -= 0;",
  ]),
  mutant("reads-stay", "Waiting reads are looked for where they are to be moved to", [
    "node/session/pending_commands.ts",
    "    this.readBytes.bytes.copyWithin(0, from, this.readBytes.length);\n",
    "",
  ]),
  mutant("newest-first", "Segments go out the newest first", [
    "storage/wal/closed_segments.ts",
    "    const next = this.#leaving[0];",
    "    const next = this.#leaving.at(-1);",
  ], [
    "storage/wal/closed_segments.ts",
    "      this.#leaving.shift();",
    "      this.#leaving.pop();",
  ]),
  mutant("sound-early", "Suspicion ends at an index that an older leader committed", [
    "raft/suspicion.ts",
    "    state.log.termAt(message.commitIndex) === message.term;",
    "    state.log.termAt(message.commitIndex) <= message.term;",
  ]),
  mutant("transfer-early", "A leader hands over to a server that has not all of its log", [
    "raft/transfer.ts",
    "  if (progress.matchIndex !== state.log.lastIndex) return;\n",
    "",
  ]),
  mutant("repair-unsynced", "A repair ends before what was fetched is durable", [
    "raft/suspicion.ts",
    "  if (repairEnd === null || output.durableVersion < repairEnd.hardStateVersion) return;\n  if (log.durableIndex < repairEnd.logIndex) return;",
    "  if (repairEnd === null || output.durableVersion < 0 || log.durableIndex < 0) return;",
  ]),
  mutant("gather-forgets", "A frame that outgrows its buffer loses what had come of it", [
    "wire/rpc/frame_decoder.ts",
    "      grown.set(gather.subarray(0, this.#gatherCount));\n",
    "",
  ]),
  mutant("reserve-unnamed", "A reserve takes records before its name as a segment is durable", [
    "storage/segments/make_segment.ts",
    "          then(() => disk.syncDirectoryLater(directory, then(left))),",
    "          spare === null ? then(() => disk.syncDirectoryLater(directory, then(left))) : then(left),",
  ]),
  mutant("room-for-all", "A server without room takes all entries, and its votes find none", [
    "node/space.ts",
    "    if (replica.log.hasRoom()) return message;",
    "    if (replica.log.hasRoom() || message.entries.length > 0) return message;",
  ]),
  mutant("full-unheard", "A leader takes sets while a majority says that it has no room", [
    "node/space.ts",
    "    if (status !== null) return status.hasRoom && status.canWrite;",
    "    if (status !== null) return true;",
  ]),
  mutant("status-stale", "A report counts, however long ago it came", [
    "node/peers/peer_status.ts",
    "    return ageMs <= VALID_ELECTION_TIMEOUTS * this.#electionTimeoutMs ? status : null;",
    "    return ageMs < Infinity ? status : null;",
  ]),
  mutant("status-unasked", "A report goes to a server that did not name the feature", [
    "node/peers/peer_outbound.ts",
    "    if (feature !== null && !this.supports(feature)) return;",
    "    if (feature !== null && feature !== Feature.status && !this.supports(feature)) return;",
  ]),
  mutant(
    "twin-admitted",
    "The later of two processes is admitted, whatever the earlier one answers",
    [
      "node/peers/peer_processes.ts",
      "    const earlier = this.#admitted.get(link);\n    if (earlier === undefined) return;\n    for (",
      "    const earlier = this.#admitted.get(link);\n    if (earlier === undefined || number >= 0) return;\n    for (",
    ],
  ),
  mutant("deadline-first", "A server that stood still does what is due before it reads what came", [
    "node/node.ts",
    "    if (stoodStillMs > config.timing.heartbeatIntervalMs && !state.isCatchingUp) {",
    "    if (stoodStillMs > 1e9 + config.timing.heartbeatIntervalMs && !state.isCatchingUp) {",
  ]),
  mutant("moves-for-ever", "Each late waking moves the same deadline on", [
    "raft/time.ts",
    "  if (state.isDeadlineMoved || heldUpMs <= 0) return;",
    "  if (heldUpMs <= 0) return;",
  ]),
  mutant("moves-too-far", "A standstill moves what was set after it, too", [
    "raft/time.ts",
    "  const heldUpMs = Math.min(stoodStillMs, state.nowMs - state.heardMs);",
    "  const heldUpMs = stoodStillMs;",
  ]),
  mutant("due-unsaid", "A connection comes in, and the alarm does not hear of it", [
    "node/peers/peer_links.ts",
    "    this.#inbound.add(link);\n    this.dueEarlier();",
    "    this.#inbound.add(link);",
  ]),
  mutant("time-anew", "A new leader's time begins at its wall clock, whatever it was told", [
    "node/time/clocks.ts",
    "    this.leader.beginTerm(lastStampMs, follower.knownMs(lastTerm), follower.lateMs);",
    "    this.leader.beginTerm(lastStampMs, lastTerm < 0 ? 0 : null, follower.lateMs);",
  ]),
  mutant("version-ungated", "A new operation comes into the log whatever the cluster version is", [
    "node/evaluator.ts",
    "    if (clusterVersion < CLUSTER_VERSION_MAX && neededVersion(bytes, at) > clusterVersion) {",
    "    if (clusterVersion < CLUSTER_VERSION_MAX && neededVersion(bytes, at) > 1e9) {",
  ]),
  mutant("version-unheard", "The version is raised by what servers could read that are away now", [
    "node/version_raise.ts",
    "  const isHeard = link?.isUp === true && links.silence.of(id).silentMs < electionTimeoutMs;\n  return isHeard ? link.version : null;",
    "  return link === undefined || electionTimeoutMs < 0 ? null : link.version;",
  ]),
  mutant("version-unasked", "The version is raised whatever the others can read", [
    "node/version_raise.ts",
    "    } else if (version.max <= store.clusterVersion) found.push(lacks(id, version));\n",
    "    } else if (version.max > 1e9) found.push(lacks(id, version), `${store.keys}`);\n",
  ], [
    "node/version_raise.ts",
    "    if (version !== null) lowest = Math.min(lowest, version.max);\n",
    "    if (version === undefined) lowest = 0;\n",
  ]),
  mutant("version-sent", "A build before is sent what it would stop on", [
    "node/peers/hello_check.ts",
    "  return versionRefusal(hello.from, peerVersionOf(hello.features), clusterVersion);",
    "  return versionRefusal(hello.from, peerVersionOf(hello.features), Math.min(1, clusterVersion));",
  ], [
    "node/peers/peer_outbound.ts",
    "      this.versionRaised(neededBy(message));",
    "      this.versionRaised(Math.min(1, neededBy(message)));",
  ], [
    "node/version_raise.ts",
    "  state.links.versionRaised(clusterVersion);\n",
    "",
  ]),
  mutant("version-forgotten", "A restored store has the first cluster version again", [
    "kv/store.ts",
    "    this.#clusterVersion = restored.head.clusterVersion;\n",
    "    this.#clusterVersion = Math.min(1, restored.head.clusterVersion);\n",
  ]),
];

/** More, of users, of the Redis protocol and of servers that join; they need not pass the other tests. */
export const EXTRA: readonly Mutant[] = [
  ...USERS,
  ...SESSIONS,
  ...SIMULATED_SCRIPTS,
  ...CONDITIONS,
  ...SUBSCRIBERS,
  ...WATCHES,
  ...FORWARDS,
  ...BOUNDS,
  mutant("watch-ignored", "EXEC goes through whatever became of the watched keys", [
    "kv/commands/groups.ts",
    "        result.status = Status.aborted;\n        return;",
    "        void Status.aborted;",
  ]),
  mutant("unknown-as-refused", "CLUSTERDOWN, nothing was done, where the outcome is unknown", [
    "wire/resp/resp_error_lines.ts",
    '  [ClientError.timeout]:\n    "-ERR outcome unknown: the command is in the log and was not confirmed in time, " +\n    "it may be done or not",',
    "  [ClientError.timeout]: CLUSTER_DOWN,",
  ]),
  mutant("cas-of-any-version", "RAFTKV.CAS stores whatever version the key has", [
    "wire/resp/resp_versions.ts",
    "  const at = r.encode(out, Op.cas, 1, 2);\n  writeU64(out.bytes, at + VERSION_FIELD, version);\n",
    "  const at = r.encode(out, Op.set, 1, 2);\n",
  ]),
  mutant("set-for-good", "RAFTKV.SET forgets the time to live", [
    "wire/resp/resp_versions.ts",
    "  store(r, out, r.encode(out, Op.set, 1, 2), ms);",
    "  store(r, out, r.encode(out, Op.set, 1, 2), 0);",
  ]),
  mutant("welcome-by-own", "A welcome is meant for the life that its sender knows under that id", [
    "node/peers/peer_inbound.ts",
    "this.#links.hello(from, protocolVersion, incarnation)",
    "this.#links.hello(from, protocolVersion)",
  ]),
  mutant("joined-at-once", "Who joins makes its log before it writes down whose log that is", [
    "node/peers/formation.ts",
    '    this.#save({ stage: "prepared", clusterId, members, joined: true });\n    this.#joined(this.record!);',
    '    this.#save({ stage: "formed", clusterId, members, joined: true });',
  ]),
  mutant("lives-as-twins", "Two lives of an id are taken for a process and its copy", [
    "node/peers/peer_processes.ts",
    "(a.incarnation === b.incarnation || !this.#tellsLives())",
    "(a.incarnation === b.incarnation || this.#tellsLives !== null)",
  ]),
];
