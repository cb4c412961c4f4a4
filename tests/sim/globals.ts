/**
 * While a world runs, what would bring in the outside throws: real time, real randomness, timers. A
 * run that used one of them could not be replayed.
 *
 * The guards are put in place once, stay there, and let everything through while no world runs: a global that
 * is replaced before and after each of thousands of runs has the runtime throw away what it has compiled.
 */

let isForbidden = false;
let areGuardsThere = false;

/** Runs `body` with the outside forbidden, and allows it again whatever happens. */
export function withoutOutside<T>(body: () => T): T {
  if (!areGuardsThere) putGuards();
  areGuardsThere = true;
  const before = isForbidden;
  isForbidden = true;
  try {
    return body();
  } finally {
    isForbidden = before;
  }
}

function putGuards(): void {
  guardCalls(Date, "now", "Date.now");
  guardCalls(performance, "now", "performance.now");
  guardCalls(Math, "random", "Math.random");
  guardCalls(crypto, "getRandomValues", "crypto.getRandomValues");
  guardCalls(crypto, "randomUUID", "crypto.randomUUID");
  for (const name of ["setTimeout", "setInterval", "setImmediate", "queueMicrotask", "fetch"]) {
    guardCalls(globalThis, name, name);
  }
  replace(globalThis, "Date", guardedDate());
  replace(globalThis, "Deno", guardedDeno());
}

function replace(owner: object, name: string, by: unknown): void {
  Object.defineProperty(owner, name, { value: by, configurable: true, writable: true });
}

function guardCalls(owner: object, name: string, label: string): void {
  const real: (...args: unknown[]) => unknown = Reflect.get(owner, name);
  const guarded = new Proxy(real, {
    apply(target, self, args) {
      if (isForbidden) {
        throw new Error(`${label} was used in the simulator: take it from the Clock or Rng port`);
      }
      return Reflect.apply(target, self, args);
    },
  });
  replace(owner, name, guarded);
}

/** `Date` for given times only: `new Date()` and `Date()` would read the real clock. */
function guardedDate(): DateConstructor {
  const refuse = () => {
    if (!isForbidden) return;
    throw new Error("The time of day was asked in the simulator: take it from the Clock port");
  };
  return new Proxy(Date, {
    apply(target, self, args) {
      refuse();
      return Reflect.apply(target, self, args);
    },
    construct(target, args) {
      if (args.length === 0) refuse();
      return Reflect.construct(target, args);
    },
  });
}

/** `Deno` with nothing in it: files, sockets and processes are behind the ports. */
function guardedDeno(): object {
  return new Proxy(Deno, {
    get(target, name) {
      if (isForbidden) {
        throw new Error(`Deno.${String(name)} was used in the simulator: take it from a port`);
      }
      return Reflect.get(target, name);
    },
  });
}
