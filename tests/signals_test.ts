import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { Signal } from "../lib/host/process.ts";
import { keepRunningOnSignals, type Reload, stopOnSignal } from "../lib/signals.ts";
import { FakeClock, logInto } from "./net/fakes.ts";

class Exited extends Error {}

function setUp() {
  const handlers = new Map<Signal, (signal: Signal) => void>();
  const clock = new FakeClock();
  const lines: string[] = [];
  const process = {
    onSignal(signals: readonly Signal[], run: (signal: Signal) => void) {
      for (const signal of signals) handlers.set(signal, run);
    },
    exit(code: number): never {
      throw new Exited(`exit code ${code}`);
    },
  };
  const surroundings = { process, clock, log: logInto(lines) };
  const raise = (signal: Signal) => handlers.get(signal)!(signal);
  return { surroundings, clock, lines, raise };
}

Deno.test("signals: what follows within a second is the same wish, a later one ends at once", async () => {
  const { surroundings, clock, lines, raise } = setUp();
  clock.nowMs = 5_000;
  let stops = 0;
  let end = () => {};
  const stopped = stopOnSignal(surroundings, () => {
    stops++;
    return new Promise((resolve) => end = resolve);
  });
  raise("SIGINT");
  raise("SIGINT");
  clock.nowMs += 999;
  raise("SIGTERM");
  assertEquals([stops, lines], [1, ['info Shutting down {"signal":"SIGINT"}']]);
  clock.nowMs += 1;
  const { message } = assertThrows(() => raise("SIGINT"), Exited);
  assertEquals(message, "exit code 1");
  assertEquals(lines.at(-1), 'warning Ending at once: a second signal {"signal":"SIGINT"}');
  end();
  await stopped;
});

Deno.test("signals: those that ask for nothing here log a line each and end nothing", () => {
  const { surroundings, lines, raise } = setUp();
  keepRunningOnSignals(surroundings, []);
  for (const signal of ["SIGHUP", "SIGUSR1", "SIGUSR2"] as const) {
    raise(signal);
    assertStringIncludes(lines.pop()!, signal);
    assertEquals(lines, []);
  }
});

Deno.test("signals: SIGHUP reads again what there is, and says what; other signals don't", () => {
  const { surroundings, lines, raise } = setUp();
  const reloads: Reload[] = [];
  keepRunningOnSignals(surroundings, reloads);
  let runs = 0;
  reloads.push({ what: "certificates", run: () => runs++ }, { what: "others", run: () => runs++ });
  raise("SIGUSR2");
  assertEquals(runs, 0);
  lines.length = 0;
  raise("SIGHUP");
  assertEquals(runs, 2);
  assertEquals(lines.length, 1);
  assertStringIncludes(lines[0]!, '{"what":"certificates, others"}');
});
