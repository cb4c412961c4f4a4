/**
 * What a server's disk and machine did to it, and what it may say and forget for that: whatever it loses
 * without a reason is a failure.
 */
import type { LogEvent } from "../../lib/node/api.ts";
import type { Random } from "../../lib/util/random.ts";
import type { ServerDisk } from "./server_factory.ts";
import type { ServerProbe } from "./server_probe.ts";
import { CheckFailure } from "./world.ts";

export class ServerCondition {
  readonly #name: string;
  /** Set where a fault gave this server a reason to end itself: without one, an exit is a failure. */
  mayExit = false;
  /** It was wiped, or refuses to start on what it has: out for good. */
  isOut = false;
  /** Damaged, and not started since. */
  isHarmed = false;
  /** Ever, other than by being wiped. */
  wasHarmed = false;
  /** It lost power, and has not shown since that it is sound. */
  isTorn = false;
  mayForget = false;
  /** Ever full, or nearly, or a record of its log could not be read. */
  #lacksFiles = false;

  /** `name`: the server's, for people. */
  constructor(name: string) {
    this.#name = name;
  }

  /** Its disk was full or harmed: files that a follower needs may be gone. */
  get mayLackFiles(): boolean {
    return this.#lacksFiles || this.wasHarmed;
  }

  /** Its disk is wiped or damaged, while it is down. Returns what was done, for the trace. */
  harm(name: "wipe" | "damage" | "damageEnd", disk: ServerDisk, random: Random): string {
    if (name === "wipe") {
      disk.wipe();
      this.isOut = true;
      return "";
    }
    this.isHarmed = true;
    this.wasHarmed = true;
    this.isTorn = true;
    return name === "damage" ? disk.damage(random) : disk.damageEnd(random);
  }

  /** It has started, in its life of before or another one. */
  started(isSameLife: boolean): void {
    // Nothing was left that says who it was: as good as wiped.
    if (this.wasHarmed && !isSameLife) this.isOut = true;
  }

  /** Looks at it after a step, before all other checks. */
  look(probe: ServerProbe | null): void {
    const raft = probe?.raft() ?? null;
    if (this.isHarmed && raft?.suspect === true) this.mayForget = true;
    if (this.wasHarmed || raft?.repairing !== true) return;
    throw new CheckFailure(
      "damage where there is none",
      `${this.#name} repairs its log, and its disk was never harmed`,
    );
  }

  /** After all checks of a step of a formed server. */
  looked(probe: ServerProbe): void {
    this.isHarmed = false;
    this.mayForget = false;
    if (this.isTorn) this.isTorn = !probe.isDurablySound();
  }

  /** A log that gets room by giving files up never says that it had none. */
  noteRoom(probe: ServerProbe, disk: ServerDisk): void {
    if (!this.#lacksFiles) this.#lacksFiles = disk.isBounded || !probe.hasRoom();
  }

  /**
   * What it says. Whatever a crash leaves behind, it is no damage: it must not be taken for any. Returns the
   * failure where it is. `spoiledReads`: how often a read fails.
   */
  says(event: LogEvent, spoiledReads: number): CheckFailure | null {
    const isSpoiled = event.message.startsWith("Entries for a follower can't be read");
    if (isSpoiled) this.#lacksFiles = true;
    // A read that failed is no damage either, but what the disk did.
    const isDamage = (isSpoiled && spoiledReads === 0 && !this.mayExit) || saysDamage(event);
    if (!isDamage || this.wasHarmed) return null;
    const { message, fields } = event;
    return new CheckFailure(
      "damage where there is none",
      `${this.#name}, whose disk was never harmed, says: ${message} ${JSON.stringify(fields)}`,
    );
  }
}

function saysDamage({ level, message }: LogEvent): boolean {
  return (level === "warning" || level === "error") && /\bdamaged?\b/i.test(message);
}
