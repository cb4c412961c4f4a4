/**
 * Slot sizes. A record takes a slot of the smallest class that holds it: classes are 4 bytes apart
 * up to 1 KiB, then sixteen to each doubling (at most 6 % unused), up to 32 KiB. A larger record has
 * a buffer of its own. All sizes are whole words of 4 bytes.
 */

const STEP_BYTES = 4;
/** Records above this have a buffer of their own. */
export const SLOT_BYTES_MAX = 32 * 1024;
/** The class that stands for "a buffer of its own". */
export const LARGE_CLASS = 0xffff;

const FINE_BYTES_MAX = 1024;
const FINE_CLASSES = FINE_BYTES_MAX / STEP_BYTES;
const STEPS_PER_DOUBLING = 16;
const DOUBLINGS = 5;

export const CLASS_COUNT = FINE_CLASSES + STEPS_PER_DOUBLING * DOUBLINGS;

/** The slot's bytes, by class. */
export const CLASS_BYTES: Int32Array = new Int32Array(CLASS_COUNT);
for (let i = 0; i < FINE_CLASSES; i++) CLASS_BYTES[i] = (i + 1) * STEP_BYTES;
for (let i = FINE_CLASSES; i < CLASS_COUNT; i++) {
  const step = i - FINE_CLASSES;
  const base = FINE_BYTES_MAX << Math.floor(step / STEPS_PER_DOUBLING);
  CLASS_BYTES[i] = base + base / STEPS_PER_DOUBLING * (step % STEPS_PER_DOUBLING + 1);
}

/** The class of a record of `bytes` bytes, at least 1. */
export function sizeClass(bytes: number): number {
  if (bytes <= FINE_BYTES_MAX) return (bytes - 1) >>> 2;
  if (bytes > SLOT_BYTES_MAX) return LARGE_CLASS;
  // 2^exponent < bytes <= 2^(exponent + 1); the sixteenths within come from the next four bits.
  const exponent = 31 - Math.clz32(bytes - 1);
  const sixteenth = (bytes - 1 - (1 << exponent)) >>> (exponent - 4);
  return FINE_CLASSES + (exponent - 10) * STEPS_PER_DOUBLING + sixteenth;
}
