import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Buffers of fewer bytes do not add up to much. */
const LARGE_BYTES = 256 * 1024;
/** So many bytes go by before what is left of them is collected. */
const LOOK_BYTES = 4 * 1024 * 1024;
/** The memory of buffers that may be left after that. */
const MOST_LEFT = 8 * 1024 * 1024;

let passed = 0;
/** The memory of buffers that are in use. */
let used = Number.POSITIVE_INFINITY;
let collect: ((type: "minor" | "major") => void) | undefined;

/**
 * To be called with the size of each large buffer of a row of them, once it has been used. V8 lets more than 64 MiB of such
 * buffers be left over before it collects them: this does it sooner. They are young, so that mostly takes a millisecond.
 */
export function passedOn(bytes: number): void {
  if (bytes < LARGE_BYTES) return;
  passed += bytes;
  if (passed < LOOK_BYTES) return;
  passed = 0;
  collect ??= collector();
  collect("minor");
  if (left() < MOST_LEFT) return;
  // Some were in use each time, and are not young any more.
  collect("major");
  used = process.memoryUsage().arrayBuffers;
}

function left(): number {
  const { arrayBuffers } = process.memoryUsage();
  used = Math.min(used, arrayBuffers);
  return arrayBuffers - used;
}

/** Frees the memory of `buffer`, which nobody uses any more, at once, where Node can do that. */
export function release({ buffer }: Buffer): void {
  if ("transfer" in buffer) (buffer as ArrayBuffer & { transfer(size: number): unknown }).transfer(0);
}

/** Node gives it only to programs that are started with an option; V8 gives it to a new context. */
function collector(): (type: "minor" | "major") => void {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as ((options: object) => void) | undefined;
  setFlagsFromString("--no-expose-gc");
  return gc ? (type) => gc({ type }) : () => {};
}
