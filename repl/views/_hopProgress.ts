import type { Progress } from "../../lib/model/events";
import { duration, megabytes } from "./_units";

/** What is behind us on the way to the host. */
export function hopProgress(event: Extract<Progress, { kind: "hop-opened" | "upload" }>): string {
  if (event.kind === "upload") return `${event.what} sent, ${megabytes(event.total)} MB`;
  return event.reused ? `${event.hop} was open` : `${event.hop} opened in ${duration(event.ms)}`;
}
