import { stopsPlan } from "../model/plan";

type Listener = (error: unknown) => void;

let current: Listener | undefined;
let installed = false;

/**
 * Passes each unhandled rejection and uncaught exception of this process to `listener`, until the returned function is
 * called; not those that only end the planning of a slot. So a forgotten `await` in a property ends neither the process nor
 * other steps. For a process that runs a single job.
 */
export function onUnhandledError(listener: Listener): () => void {
  current = listener;
  if (!installed) {
    process.on("unhandledRejection", dispatch);
    process.on("uncaughtException", dispatch);
    installed = true;
  }
  return () => {
    if (current === listener) current = undefined;
  };
}

const dispatch = (error: unknown): void => {
  if (!stopsPlan(error)) current?.(error);
};
