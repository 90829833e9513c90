import type { PosixTarget } from "../model/target";
import { HELD_SINCE } from "../target/memory";

/**
 * When the deployment began to hold the host, as `performance.now()`; `Infinity` while it waits for another deployment; 0
 * when it has held it from the start.
 */
export const heldSince = ({ memory }: PosixTarget): number =>
  (memory.get(HELD_SINCE) as (() => number) | undefined)?.() ?? 0;
