/**
 * Bugs of changes of members, in the core and in the links. Their own tests and random walks have to find
 * them: `deno task mutants --core`. 14 to 16 have the numbers of the
 * reference's list.
 */
import { type Mutant, mutant } from "./mutant.ts";

export const MEMBERSHIP: readonly Mutant[] = [
  mutant("link-any-life", "A link sends to whichever life of its server listens there", [
    "node/peers/outbound_handshake.ts",
    "    const refused = this.#links.check(welcome) ?? lifeRefusal(target, welcome);",
    "    const refused = this.#links.check(welcome) ?? lifeRefusal({ id: target.id, incarnation: null }, welcome);",
  ], [
    "node/peers/peer_outbound.ts",
    "    if (welcome === null || incarnation === null || welcome.incarnation === incarnation) return;\n",
    "    if (incarnation !== null) return;\n",
  ], [
    "node/peers/hello_check.ts",
    "  if (wanted !== null && wanted !== incarnation) {",
    "  if (wanted !== null && incarnation === null) {",
  ]),
  mutant(
    "claim-ignored",
    "A server that is behind believes nobody whom its own configuration lacks",
    [
      "node/members/known_members.ts",
      '    if (!isEarlier && claim !== null && claim.index > commitIndex) return "guest";\n',
      "",
    ],
  ),
  mutant("claim-believed", "Whoever claims anything is believed, whatever is committed here", [
    "node/members/known_members.ts",
    "    if (!isEarlier && claim !== null && claim.index > commitIndex) return",
    "    if (!isEarlier && claim !== null && claim.index >= 0) return",
  ]),
  mutant("replaced-counted", "What a learner had counts for the one that takes its place", [
    "raft/membership.ts",
    "    if (!ids.includes(id) || isReplaced(id)) progress.delete(id);",
    "    if (!ids.includes(id)) progress.delete(id);",
  ]),
  mutant(
    "word-of-hearsay",
    "A server takes itself for listed by what somebody was told who does not hold it",
    [
      "node/members/known_members.ts",
      "    const isWord = claim !== null && claim.wanted === this.#incarnation && claim.term > 0;\n",
      "    const isWord = claim !== null && claim.wanted === this.#incarnation;\n",
    ],
  ),
  mutant("sound-untold", "A learner is made a voter that has not shown that it is sound", [
    "raft/catch_up.ts",
    "leader.progress.get(id)?.isKnownSound !== true) return false;",
    "leader.progress.get(id)?.isSuspect === true) return false;",
  ]),
  mutant("proof-unchecked", "Whoever is asked for a proof of the secret is believed", [
    "node/peers/link_proof.ts",
    "    return this.by === null ? wrong(hello.from) : null;",
    "    return this.by === null && mac.length === 0 ? wrong(hello.from) : null;",
  ]),
  mutant("proof-own", "What the acceptor has proven itself by is good for whoever connects", [
    "node/peers/cluster_secret.ts",
    '    return this.#provenBy(text("proof", handshake), mac);',
    '    return this.#provenBy(text("proof", handshake), mac) ??\n      this.welcomedBy(handshake, mac);',
  ]),
  mutant("proof-reflected", "A server answers its own challenge, in the other direction", [
    "node/peers/cluster_secret.ts",
    "  out.raw(new TextEncoder().encode(role));\n  out.raw(nonceOf(hello));\n  out.raw(nonceOf(welcome));\n  for (const { from, incarnation, clusterId } of [hello, welcome]) {",
    "  void role;\n  const nonces = [nonceOf(hello), nonceOf(welcome)].sort((a, b) => a[0]! - b[0]!);\n  for (const nonce of nonces) out.raw(nonce);\n  const ends = [hello, welcome].sort((a, b) => a.from - b.from);\n  for (const { from, incarnation, clusterId } of ends) {",
  ]),
  mutant("proof-replayed", "The acceptor's nonce is not in what is proven", [
    "node/peers/cluster_secret.ts",
    "  out.raw(nonceOf(welcome));\n",
    "",
  ]),
  mutant(
    "secret-downgraded",
    "The first version of the handshake is spoken where a secret is required",
    [
      "node/peers/outbound_handshake.ts",
      "RefusalReason.otherVersion && !this.#proof.isRequired && !hears;",
      "RefusalReason.otherVersion && !hears;",
    ],
    [
      "node/peers/outbound_handshake.ts",
      "    if (this.#proof.isRequired) this.protocolVersion = this.#links.protocolVersionMax;\n",
      "",
    ],
  ),
  mutant("secret-kept", "What was proven by a secret that is gone still counts", [
    "node/peers/link_proof.ts",
    "this.by === null ? !this.isRequired : this.secret!.accepts(this.by);",
    "this.by !== null || !this.isRequired;",
  ]),
  mutant("founders-unplaced", "What is added later is not told where the founders are", [
    "node/members/member_changes.ts",
    "    const moves = this.#host.moves().filter(({ id }) => !named.includes(id));",
    "    const moves = this.#host.moves().filter(({ id }) => id < 0 && !named.includes(id));",
  ], [
    "node/members/moves.ts",
    "    (isDescribed && logged === null ? places[0] ?? null : null);",
    "    (isDescribed && logged !== null && places.length === 0 ? logged : null);",
  ]),
  mutant(
    "votes-as-before",
    "The next life of a server votes as the one before, before it was added",
    [
      "raft/own_life.ts",
      "  return configurations.isOtherLife(id, options.incarnation ?? null);",
      "  return configurations.isOtherLife(id, options.incarnation === undefined ? null : null);",
    ],
  ),
  mutant("14", "Members change before the leader has committed an entry of its own term", [
    "raft/reconfigure.ts",
    "  if (state.log.termAt(state.commitIndex) !== state.term) {\n    return",
    "  if (state.term < 0) {\n    return",
  ]),
  mutant("15", "A configuration stays though its entry is cut off", [
    "raft/commit.ts",
    "  state.configurations.truncate(from);\n",
    "",
  ], [
    "raft/invariants.ts",
    '  hold(state, versions.at(-1)!.index <= log.lastIndex, "follows a configuration that is gone");\n',
    "",
  ]),
  mutant("16", "A removed leader counts its own ack", [
    "raft/commit.ts",
    "  const index = quorumValue(\n    configurationOf(state),",
    "  const { voters, ...rest } = configurationOf(state);\n  const index = quorumValue(\n    { ...rest, voters: [...new Set([...voters, state.id])] },",
  ]),
  mutant("joint-commit-new", "In a joint configuration the new half commits alone", [
    "raft/quorum.ts",
    "  return Math.min(value, majorityValue(configuration.votersOutgoing, valueOf, floor));",
    "  return value;",
  ]),
  mutant("joint-commit-any", "In a joint configuration either half commits", [
    "raft/quorum.ts",
    "  return Math.min(value,",
    "  return Math.max(value,",
  ]),
  mutant("joint-elects-new", "In a joint configuration the new half elects alone", [
    "raft/quorum.ts",
    '  if (!isJoint(configuration) || incoming === "lost") return incoming;',
    "  if (configuration.voters.length > 0) return incoming;",
  ]),
  mutant("joint-elects-together", "The voters of both halves elect together, one majority of all", [
    "raft/quorum.ts",
    "  const incoming = tallyHalf(configuration.voters, answers);",
    "  const incoming = tallyHalf([...new Set([...configuration.voters, ...configuration.votersOutgoing])], answers);\n  if (incoming !== null) return incoming;",
  ]),
  mutant(
    "joint-reads-new",
    "In a joint configuration reads and the check of the quorum ask the new half",
    [
      "raft/quorum.ts",
      "  return hasMajority(voters, test) &&",
      "  return hasMajority(voters, test) || votersOutgoing.length < 0 &&",
    ],
  ),
  mutant(
    "other-life",
    "An ack of the server that had the id before counts for the one that has it now",
    [
      "raft/step.ts",
      "  if (isAnswer(message) && state.configurations.isOtherLife(from, incarnation)) return;\n",
      "",
    ],
  ),
  mutant("heard-other-life", "A suspect server has heard whoever answers under the id", [
    "raft/suspicion.ts",
    "life !== undefined &&\n        (life === null || meant === undefined || life === meant);",
    "life !== undefined || meant === null;",
  ]),
  mutant("two-changes", "A change begins while another one is not committed", [
    "raft/reconfigure.ts",
    "  if (isJoint(configurations.current) || configurations.currentIndex > state.commitIndex) {",
    "  if (isJoint(configurations.current)) {",
  ]),
  mutant("left-early", "The old half is left before the joint configuration is committed", [
    "raft/reconfigure.ts",
    "  if (!isCommitted) return;",
    "  if (!isCommitted && !isJoint(current)) return;",
  ]),
  mutant("never-left", "Only the leader that began a change leaves the joint configuration", [
    "raft/leader.ts",
    "    isReconfiguring: needsReconfiguring(state),",
    "    isReconfiguring: false,",
  ], [
    "raft/configuration_invariants.ts",
    "    leader.isReconfiguring === needsReconfiguring(state),",
    "    leader.isReconfiguring === needsReconfiguring(state) || !leader.isReconfiguring,",
  ]),
  mutant("stays-leader", "A leader that was removed leads on", [
    "raft/reconfigure.ts",
    "  } else if (!isVoter(current, state.id)) handOver(state, leader);\n  else if",
    "  } else if",
  ]),
  mutant("not-needed", "Who removed itself does not campaign, though nobody else has that entry", [
    "raft/candidate.ts",
    "  return configurations.from(commitIndex).some((version) => votesHere(state, version));",
    "  return false;",
  ]),
  mutant(
    "led-by-next-life",
    "Who was replaced campaigns, with the vote of its next life as its own",
    [
      "raft/candidate.ts",
      "  if (isOtherLifeMeant(state)) return false;\n",
      "",
    ],
  ),
  mutant("voters-heard-only", "A suspect server asks the voters of today alone", [
    "raft/suspicion.ts",
    "state.configurations.from(fromIndex)",
    "state.configurations.from(Math.max(fromIndex, state.log.lastIndex))",
  ]),
  mutant("removed-by-guess", "A server that knows less tells a newcomer that it was removed", [
    "raft/votes.ts",
    "  return lastTerm < log.lastTerm || (lastTerm === log.lastTerm && lastIndex <= log.lastIndex);",
    "  return lastTerm >= 0 && lastIndex >= 0 && log.lastIndex >= 0;",
  ]),
  mutant(
    "promoted-early",
    "A learner is made a voter after its first round, however long that took",
    [
      "raft/catch_up.ts",
      "    catchUp.wasFast = state.nowMs - catchUp.startedMs < state.options.electionTimeoutMs;",
      "    catchUp.wasFast = true;",
    ],
    [
      "raft/catch_up.ts",
      "isReachable(state, leader.progress.get(id)) &&\n    state.nowMs - catchUp.startedMs < state.options.electionTimeoutMs;",
      "isReachable(state, leader.progress.get(id));",
    ],
  ),
  mutant(
    "promoted-suspect",
    "A change of members rests on a voter that has said that it is suspect",
    [
      "raft/leader.ts",
      "    progress.isSuspect = true;\n",
      "",
    ],
  ),
  mutant("promoted-full", "A learner is made a voter though its disk has no room", [
    "raft/catch_up.ts",
    '  return roomOf(state, id) === "free";',
    '  return roomOf(state, id) !== "none";',
  ]),
  mutant("suspicion-once", "A suspect server tells its leader once, heard or not", [
    "raft/suspicion.ts",
    " || hasHeardAll(state) || isLongAgo)",
    " || hasHeardAll(state))",
  ]),
  mutant("over-to-suspect", "The leadership is handed to a server that is suspect", [
    "raft/transfer.ts",
    "progress === undefined || progress.isSuspect)",
    "progress === undefined)",
  ]),
  mutant(
    "suspect-reads",
    "A suspect server confirms reads once it has heard all that it knows of",
    [
      "raft/suspicion.ts",
      "  return state.suspect ? 0 : readRound;",
      "  return hasHeardAll(state) ? readRound : 0;",
    ],
  ),
  mutant(
    "pre-vote-forgotten",
    "Who has a vote for a term and forgot it gets a pre-vote for that term",
    [
      "raft/votes.ts",
      "  const free = request.term > state.term ||\n",
      "  const free = request.term > state.term || state.votedFor === request.from ||\n",
    ],
  ),
  mutant("rounds-unfinished", "A read round waits for servers that are members no more", [
    "raft/reconfigure.ts",
    "  confirmRound(state, leader);\n",
    "",
  ], [
    "raft/reconfigure.ts",
    "import { confirmRound, requestRead }",
    "import { requestRead }",
  ]),
];
