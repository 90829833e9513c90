import type { Job } from "../../model/job";
import { shapeMismatch } from "./shapes";
import { decode, GarbledFrame } from "./wire";

const shapes = { job: { deployment: "name", by: "string" } } as const;

/** Decodes the payload of a "job" message. Throws `GarbledFrame` when it does not name its deployment and its user. */
export function decodeJob(packed: Buffer): Job {
  const job = decode(packed);
  const mismatch = shapeMismatch({ ...(job as Job), type: "job" }, shapes);
  if (mismatch !== undefined) throw new GarbledFrame(mismatch);
  return job as Job;
}
