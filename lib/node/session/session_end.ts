/** When a connection ends by itself: nothing more is parsed, and it is closed once what came is answered. */
export class SessionEnd {
  #position = Infinity;
  #reason = "";

  get isSet(): boolean {
    return this.#position !== Infinity;
  }

  /** It ends after the command at `position`; the first reason counts. */
  after(position: number, reason: string): void {
    if (this.isSet) return;
    this.#position = position;
    this.#reason = reason;
  }

  /** Why it is to be closed now that all before `head` is answered; null where it is not. */
  reasonAt(head: number): string | null {
    return head > this.#position ? this.#reason : null;
  }
}
