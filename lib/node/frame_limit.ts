/** How large a frame between servers may be. */
import { clientCommandBytesMax, encodedRunBytesMax } from "../wire/client_codec.ts";
import { appendFrameBytesMax } from "../wire/rpc/rpc.ts";
import { ENTRY_BYTES_CEILING, REDIS_KEY_BYTES_CEILING, VALUE_BYTES_CEILING } from "./limits.ts";
import { sessionInputBytesMax } from "./session/command_input.ts";

/**
 * The largest frame that a peer may send. An entry may be larger than `entryBytesMax` by one run of
 * commands, which is what a session's input comes to.
 */
export function frameBytesMax(): number {
  const runBytesMax = encodedRunBytesMax(sessionInputBytesMax(clientCommandBytesMax({
    valueBytesMax: VALUE_BYTES_CEILING,
    redisKeyBytesMax: REDIS_KEY_BYTES_CEILING,
  })));
  return appendFrameBytesMax(ENTRY_BYTES_CEILING, ENTRY_BYTES_CEILING + runBytesMax);
}
