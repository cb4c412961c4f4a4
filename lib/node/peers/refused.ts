/** Why a handshake is refused: the reason's number for the wire, a sentence for people. */
import type { RefusalReason } from "../../wire/rpc/rpc.ts";

export interface Refused {
  readonly reason: RefusalReason;
  readonly text: string;
}
