/** Where the store's memory goes. */
import type { Contents } from "./contents.ts";

/** In bytes. */
export interface MemoryFigures {
  readonly tableBytes: number;
  readonly orderBytes: number;
  /** Slabs and large buffers as they came from the system. */
  readonly slabBytes: number;
  /** Of these, what records take, rounded up to their slots. */
  readonly slotBytes: number;
  readonly expiryBytes: number;
  /** Keys and values alone. */
  readonly contentBytes: number;
}

export function memoryFigures({ table, order, slabs, expiry, bytes }: Contents): MemoryFigures {
  return {
    tableBytes: table.heldBytes(),
    orderBytes: order.heldBytes(),
    slabBytes: slabs.heldBytes(),
    slotBytes: slabs.usedBytes(),
    expiryBytes: expiry.heldBytes(),
    contentBytes: bytes,
  };
}
