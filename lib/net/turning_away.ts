/** Tells clients that are not let in why, in one line, and closes. */
import type { Connection } from "../host/ports.ts";
import { linger } from "./linger.ts";

/**
 * So many are given time to read it; the others are closed at once, and may find a reset in its place where
 * they have sent something already.
 */
const LINGERING_MAX = 16;
/**
 * So many of those whose descriptors are needed get the line; the others are closed at once without one.
 * A listener hands out many connections before a single write is done: together they would take every
 * descriptor that is kept for files.
 */
const HURRIED_MAX = 4;
/** A new connection has room for a line; one that has not, as where it was made so, is not waited for. */
const WRITE_MS = 1_000;

const encoder = new TextEncoder();

export class TurningAway {
  #lingering = 0;
  #hurried = 0;

  /** One that may keep its descriptor until it has read the line. Never rejects. */
  async turn(connection: Connection, why: string): Promise<void> {
    const lingers = this.#lingering < LINGERING_MAX;
    if (lingers) this.#lingering++;
    await write(connection, why, lingers);
    if (lingers) this.#lingering--;
  }

  /** One whose descriptor is needed. Never rejects. */
  async turnAtOnce(connection: Connection, why: string): Promise<void> {
    if (this.#hurried >= HURRIED_MAX) {
      connection.close();
      return;
    }
    this.#hurried++;
    await write(connection, why, false);
    this.#hurried--;
  }
}

async function write(connection: Connection, why: string, lingers: boolean): Promise<void> {
  const deadline = setTimeout(() => connection.close(), WRITE_MS);
  try {
    await connection.write(encoder.encode(`${why}\r\n`));
    if (lingers) await linger(connection);
  } catch {
    // It has left, or the time is up.
  } finally {
    clearTimeout(deadline);
    connection.close();
  }
}
