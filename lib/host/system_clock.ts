/** The machine's clocks. */
import type { Clock } from "./ports.ts";

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
};
