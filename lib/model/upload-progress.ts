import type { Progress } from "./events";

/** Interval of progress reports. */
const PROGRESS_MS = 100;

/** Reports through `emit` how many of the `total` bytes of `what` were sent: now and then, and when all were. */
export function uploadProgress(
  what: string,
  total: number,
  emit: (event: Progress) => void,
): (sent: number) => void {
  let reportedAt = Number.NEGATIVE_INFINITY;
  return (sent) => {
    if (sent < total && performance.now() - reportedAt < PROGRESS_MS) return;
    reportedAt = performance.now();
    emit({ kind: "upload", what, sent, total });
  };
}
