/** The two forms of a configuration's bytes, and what is refused. */
import { assertEquals, assertThrows } from "@std/assert";
import { allVoters, makeConfiguration, memberIds } from "../../lib/raft/configuration.ts";
import {
  ADDRESSES_BYTES_MAX,
  configurationProblem,
  decodeConfiguration,
  encodeConfiguration,
} from "../../lib/raft/configuration_codec.ts";
import type { Configuration } from "../../lib/raft/types.ts";
import { ByteFormatError } from "../../lib/util/bytes.ts";
import { describeMembers, incarnation } from "./members.ts";

const hex = (bytes: Uint8Array) =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** Voters 1, 2, 3 become 1, 4, 5; 2 is to learn, 6 learns already and stays so. */
const JOINT = describeMembers({
  voters: [1, 4, 5],
  votersOutgoing: [1, 2, 3],
  learners: [6],
  learnersNext: [2],
}, [6]);

Deno.test("the plain form is byte for byte what builds before wrote, and both come back", () => {
  const plain = makeConfiguration([3, 1], [9]);
  const bytes = encodeConfiguration(plain);
  assertEquals(
    hex(bytes),
    "0002" + "0000000000000001" + "0000000000000003" + "0001" + "0000000000000009",
  );
  assertEquals(decodeConfiguration(bytes), plain);
  assertEquals(decodeConfiguration(encodeConfiguration(JOINT)), JOINT);
});

Deno.test("the described form is told by its first number, which no plain one has", () => {
  const bytes = encodeConfiguration(describeMembers({ voters: [1] }));
  assertEquals(
    hex(bytes),
    "ffff" + "01" + "01" + "0000000000000001" + "01" + incarnation(1) + "0002" + "6131",
  );
});

Deno.test("both halves vote, each server once", () => {
  assertEquals(allVoters(JOINT), [1, 4, 5, 2, 3]);
  assertEquals(memberIds(JOINT), [1, 4, 5, 2, 3, 6]);
});

Deno.test("every cut of a described configuration and every unknown flag is refused", () => {
  const bytes = encodeConfiguration(JOINT);
  for (let length = 0; length < bytes.length; length++) {
    assertThrows(() => decodeConfiguration(bytes.slice(0, length)), ByteFormatError);
  }
  assertThrows(
    () => decodeConfiguration(new Uint8Array([...bytes, 0])),
    ByteFormatError,
    "left over",
  );
  const flagged = bytes.slice();
  flagged[4 + 8]! |= 32;
  assertThrows(() => decodeConfiguration(flagged), ByteFormatError, "flags 3");
  const other = bytes.slice();
  other[2] = 2;
  assertThrows(() => decodeConfiguration(other), ByteFormatError, "form 2");
});

Deno.test("a described configuration that contradicts itself is refused", () => {
  const refused = (change: Partial<Configuration>, about: string) => {
    const problem = configurationProblem({ ...JOINT, ...change }) ?? "none";
    assertEquals(problem.includes(about), true, problem);
  };
  refused({ voters: [] }, "needs a voter");
  refused({ voters: [1, 4, 5, 6] }, "no one part");
  refused({ learnersNext: [1, 2] }, "does not leave");
  refused({ votersOutgoing: [1, 2] }, "no one part");
  refused({ learners: [] }, "no one part");
  refused({ members: JOINT.members.slice(1) }, "not described");
  refused({ members: JOINT.members.toReversed() }, "not in order");
  const first = JOINT.members[0]!;
  const instead = (change: Partial<typeof first>) => ({
    members: [{ ...first, ...change }, ...JOINT.members.slice(1)],
  });
  refused(instead({ id: 0 }), "no server id");
  refused(instead({ incarnation: "12" }), "no incarnation");
  refused(instead({ staysLearner: true }), "but is none");
  refused(instead({ addresses: new Uint8Array(ADDRESSES_BYTES_MAX + 1) }), "too long");
  assertEquals(configurationProblem(JOINT), null);
  const many = Array.from({ length: 32 }, (_, i) => i + 1);
  assertEquals(configurationProblem(describeMembers({ voters: many })), "More than 31 members");
});
