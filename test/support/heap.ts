import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as (how: object) => void;

/** Megabytes of the heap in use after everything that can go is gone. */
export async function heapInUse(): Promise<number> {
  for (let turn = 0; turn < 2; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    collect({ type: "major", flavor: "last-resort" }); // caches of compiled code go, too
  }
  return process.memoryUsage().heapUsed / 1024 / 1024;
}
