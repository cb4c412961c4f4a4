/** The replies to commands that a codec answers by itself: about the server, its clients and watches. */
import { COMMAND_HEAD_BYTES, commandLength } from "../../kv/commands/command.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import type { ServerViewSource } from "../codec.ts";
import { ClientError } from "../command_batch.ts";
import type { ClientWatches } from "../watching.ts";
import { showsContents, writeBackupReply } from "./resp_backup.ts";
import { writeClientReply } from "./resp_client.ts";
import { writeText } from "./resp_bytes.ts";
import { RESP3, RespMode } from "./resp_replies.ts";
import type { RespRequest } from "./resp_request.ts";
import { writeServerReply } from "./resp_server_replies.ts";
import { writeChannels, writePublishing, writeSubscribing } from "./resp_subscribing.ts";
import { writeTracking, writeTrackingInfo } from "./resp_tracking.ts";
import { writeUnwatching, writeWatching } from "./resp_watching.ts";
import { viewFor } from "./resp_view.ts";

const decoder = new TextDecoder();

/**
 * Appends the reply to the local command that is the constant at `bytes[offset]`, of the connection `r`; or
 * appends nothing, and returns why it is refused.
 */
export function writeLocalReply(
  out: ByteWriter,
  r: RespRequest,
  replyMode: number,
  bytes: Uint8Array,
  offset: number,
  source: ServerViewSource,
  watches: ClientWatches,
): ClientError | 0 {
  const mode = replyMode & ~RESP3;
  if (mode === RespMode.watching) return writeWatching(out, bytes, offset, watches);
  if (mode === RespMode.unwatching) {
    writeUnwatching(out, bytes, offset, watches);
    return 0;
  }
  const isResp3 = (replyMode & RESP3) !== 0;
  if (mode === RespMode.subscribing) {
    return writeSubscribing(out, isResp3, bytes, offset, watches.subscriptions);
  }
  if (mode === RespMode.publishing) {
    return writePublishing(out, bytes, offset, watches.subscriptions);
  }
  const start = offset + COMMAND_HEAD_BYTES;
  const argument = decoder.decode(bytes.subarray(start, offset + commandLength(bytes, offset)));
  switch (mode) {
    case RespMode.tracking:
      writeTracking(out, isResp3, argument, watches.subscriptions);
      return 0;
    case RespMode.trackingInfo:
      writeTrackingInfo(out, isResp3, argument, watches.subscriptions.tracking);
      return 0;
    case RespMode.channels:
      writeChannels(out, argument, watches.subscriptions.ofServer);
      return 0;
    case RespMode.status:
      writeText(out, source.statusText());
      return 0;
    case RespMode.genpass:
      writeText(out, source.randomHex(Number(argument)));
      return 0;
    case RespMode.backup:
      // The contents are those of all keys, whoever may see which.
      if (showsContents(argument) && !r.access.readsAllKeys) return ClientError.notPermittedKey;
      writeBackupReply(out, argument, source.backups());
      return 0;
    case RespMode.client:
      writeClientReply(out, isResp3, argument, source, r.identity.clientId);
      return 0;
    default:
      writeServerReply(out, mode, isResp3, argument, viewFor(r, source));
      return 0;
  }
}
