import type { Progress } from "../../lib/model/events";
import { duration, megabytes } from "./_units";

/** Describes a finished connection step. */
export function hopProgress(event: Extract<Progress, { kind: "hop-opened" | "upload" }>): string {
  if (event.kind === "upload") return `sent ${event.what}, ${megabytes(event.total)} MB`;
  return event.reused ? `reusing ${event.hop}` : `opened ${event.hop} in ${duration(event.ms)}`;
}
