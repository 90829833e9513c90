import path from "node:path";
import type { AgentTarget } from "../model/target";
import { SharedRuntime } from "./_runtime";

/** Where the executable is that applies the latest deployment again, relative to the home directory. */
export const LATEST_IMAGE = ".cache/consfigurator/images/latest";

/** The runtime that all executables of the target's user share. */
export async function sharedRuntime(target: AgentTarget): Promise<SharedRuntime> {
  const { uid, home } = await target.identity();
  return new SharedRuntime(
    uid === 0 ? "/usr/local/lib/consfigurator" : path.join(home, ".local/lib/consfigurator"),
  );
}

/** What an image is made of, in its directory: the tree it came with, the agent's own file, and what is applied. */
export const JOB = "job.json";
export const BOOT = "boot.js";
