/** The engine for scripts, loaded with a server's first one: who runs none has none in memory. */
import type { LogEvent } from "./node/api.ts";
import type { ScriptEngines } from "./wire/scripts.ts";

export function scriptEngines(log: (event: LogEvent) => void): ScriptEngines {
  return {
    load(done) {
      import("./scripts/engine.ts").then(
        ({ LuaEngine }) => done(new LuaEngine()),
        (error) => {
          const message = "The engine for scripts can't be loaded";
          log({ level: "error", message, fields: { error: String(error) } });
          done(null);
        },
      );
    },
  };
}
