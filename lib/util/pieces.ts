/** What a generator returns that does its work a piece at a time, all of it done now. */
export function inOnePiece<T>(pieces: Generator<number, T, void>): T {
  for (;;) {
    const piece = pieces.next();
    if (piece.done === true) return piece.value;
  }
}
