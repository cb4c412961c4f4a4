/**
 * Bugs of changes of members, in the core. Its own tests and random walks have to find them, since the
 * simulator's seeds change no more than founders: `deno task mutants --core`. 14 to 16 have the numbers of the
 * reference's list.
 */
import { type Mutant, mutant } from "./mutant.ts";

export const MEMBERSHIP: readonly Mutant[] = [
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
    "  return Math.min(value, majorityValue(configuration.votersOutgoing, valueOf));",
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
    "  return configurations.from(commitIndex).some(({ configuration }) => isVoter(configuration, id));",
    "  return false;",
  ]),
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
  mutant("promoted-suspect", "A suspect learner is made a voter, though it can't be counted on", [
    "raft/leader.ts",
    "  if (progress !== undefined) progress.isSuspect = true;\n",
    "",
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
