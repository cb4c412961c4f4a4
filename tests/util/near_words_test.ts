import { assertEquals } from "@std/assert";
import { isNear, nearest } from "../../lib/util/near_words.ts";

const COMMANDS = ["serve", "get", "set", "cas", "delete", "status", "top", "config", "completion"];
const FLAGS = ["servers", "config", "timeout", "output", "ttl", "id"];

Deno.test("near words: a slip is told what was meant", () => {
  const meant = [
    ["gte", "get"],
    ["gett", "get"],
    ["sett", "set"],
    ["Status", "status"],
    ["statsu", "status"],
    ["delte", "delete"],
    ["confgi", "config"],
    ["comp", "completion"],
    ["compleiton", "completion"],
  ] as const;
  for (const [word, command] of meant) assertEquals(nearest(word, COMMANDS), command, word);
});

Deno.test("near words: another word is told nothing", () => {
  for (const word of ["foo", "ip", "px", "x", "", "data", "expire", "it", "ld", "severe"]) {
    assertEquals(nearest(word, FLAGS), word === "severe" ? "servers" : null);
  }
  assertEquals(nearest("x".repeat(100_000), COMMANDS), null);
});

Deno.test("near words: the nearest of several, wherever it stands", () => {
  assertEquals(nearest("set", ["get", "set"]), "set");
  assertEquals(nearest("client_listen", ["clientPort", "clientListen"]), "clientListen");
  assertEquals(nearest("logLst", ["logPort", "logListen"]), null);
  assertEquals(nearest("logPorts", ["logListen", "logPort"]), "logPort");
  assertEquals(nearest("outputBytesMx", ["outboxBytesMax", "outputBytesMax"]), "outputBytesMax");
  assertEquals(isNear("clientPotr", "clientPort"), true);
});
