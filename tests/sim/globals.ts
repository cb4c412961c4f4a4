/**
 * While a world runs, what would bring in the outside throws: real time, real randomness, timers. A
 * run that used one of them could not be replayed.
 */

type Restore = () => void;

function replace(owner: object, name: string, by: unknown): Restore {
  const before = Object.getOwnPropertyDescriptor(owner, name);
  Object.defineProperty(owner, name, { value: by, configurable: true, writable: true });
  return () => {
    if (before === undefined) Reflect.deleteProperty(owner, name);
    else Object.defineProperty(owner, name, before);
  };
}

/** Runs `body` with the throwers in place, and takes them away again whatever happens. */
export function withoutOutside<T>(body: () => T): T {
  const restores: Restore[] = [];
  const forbid = (owner: object, name: string, label: string) => {
    const thrower = () => {
      throw new Error(`${label} was used in the simulator: take it from the Clock or Rng port`);
    };
    restores.push(replace(owner, name, thrower));
  };
  try {
    forbid(Date, "now", "Date.now");
    forbid(performance, "now", "performance.now");
    forbid(Math, "random", "Math.random");
    forbid(crypto, "getRandomValues", "crypto.getRandomValues");
    forbid(crypto, "randomUUID", "crypto.randomUUID");
    for (const name of ["setTimeout", "setInterval", "setImmediate", "queueMicrotask", "fetch"]) {
      forbid(globalThis, name, name);
    }
    restores.push(replace(globalThis, "Date", guardedDate()));
    restores.push(replace(globalThis, "Deno", guardedDeno()));
    return body();
  } finally {
    for (const restore of restores.reverse()) restore();
  }
}

/** `Date` for given times only: `new Date()` and `Date()` would read the real clock. */
function guardedDate(): DateConstructor {
  const refuse = (): never => {
    throw new Error("The time of day was asked in the simulator: take it from the Clock port");
  };
  return new Proxy(Date, {
    apply: refuse,
    construct: (target, args) => args.length === 0 ? refuse() : Reflect.construct(target, args),
  });
}

/** `Deno` with nothing in it: files, sockets and processes are behind the ports. */
function guardedDeno(): object {
  const refuse = (_target: object, name: string | symbol): never => {
    throw new Error(`Deno.${String(name)} was used in the simulator: take it from a port`);
  };
  return new Proxy({}, { get: refuse });
}
