import type { Job } from "../../model/job";
import { shapeMismatch } from "./shapes";
import { decode, GarbledFrame } from "./wire";

const shapes = { job: { deployment: "name", by: "string" } } as const;

/** What a message of the type "job" brings. Throws `GarbledFrame` when a worker could not even say whose it is. */
export function jobIn(packed: Buffer): Job {
  const job = decode(packed);
  const complaint = shapeMismatch({ ...(job as Job), type: "job" }, shapes);
  if (complaint !== undefined) throw new GarbledFrame(complaint);
  return job as Job;
}
