import { CANCELLED, type JobOutcome } from "../model/job";

/** Time that the steps of a cancelled deployment have to end: more than their commands take to be killed. */
const GRACE_MS = 4000;

/**
 * The outcome of `applying`; when it has not settled some time after `signal` was aborted, that it was cancelled. What did
 * not settle cannot be ended in this process. It can do nothing more on the host, because its target refuses to.
 */
export async function settledOrLeft(applying: Promise<JobOutcome>, signal: AbortSignal): Promise<JobOutcome> {
  let timer: NodeJS.Timeout | undefined;
  let cancelled = () => {};
  const left = new Promise<JobOutcome>((resolve) => {
    cancelled = () => {
      timer = setTimeout(() => resolve(LEFT), GRACE_MS);
    };
    if (signal.aborted) cancelled();
    else signal.addEventListener("abort", cancelled, { once: true });
  });
  try {
    return await Promise.race([applying, left]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", cancelled);
    applying.catch(() => {});
  }
}

const LEFT: JobOutcome = {
  change: "changed",
  failed: true,
  cancelled: true,
  failure: {
    name: "Cancelled",
    message: `${CANCELLED}; a step did not stop within ${GRACE_MS / 1000} s and was left as it is: it can do nothing more on the host; deploy again to finish it`,
  },
};
