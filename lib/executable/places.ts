import path from "node:path";
import type { AgentTarget } from "../model/target";
import { SharedRuntime } from "./_runtime";

/** The path of the executable that reapplies the latest deployment, relative to the home directory. */
export const LATEST_IMAGE = ".cache/consfigurator/images/latest";

/** The runtime shared by all executables of the target's user. */
export async function sharedRuntime(target: AgentTarget): Promise<SharedRuntime> {
  const { uid, home } = await target.identity();
  return new SharedRuntime(
    uid === 0 ? "/usr/local/lib/consfigurator" : path.join(home, ".local/lib/consfigurator"),
  );
}

/** Files of an image, next to its source tree: the job, and the agent's boot file. */
export const JOB = "job.json";
export const BOOT = "boot.js";
/** The names of the data that the host keeps for an image, next to its source tree. */
export const KEPT = "data.json";
/** The data that the host keeps for its images, next to them. */
export const DATA = "data";
