type Listener = (error: unknown) => void;

let current: Listener | undefined;
let installed = false;

/**
 * Until the returned function is called, `listener` gets each error of this process that nothing handles: of a promise that
 * nobody awaits, or thrown by a timer. Such a mistake in a property ends neither the process nor the work of others. For
 * a process that does one piece of work.
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

const dispatch = (error: unknown): void => current?.(error);
