/** Told of an error that nobody waited for. */
type Listener = (error: unknown) => void;

let listening: Listener | undefined;
let installed = false;

/**
 * Until it is over, `listener` hears of each error that nobody in this process waited for: of a promise that was left to
 * itself, or thrown by a timer. Such a mistake of a property does not end the process, nor the work of others. Returns
 * what ends that. For a process that does one piece of work.
 */
export function onStray(listener: Listener): () => void {
  listening = listener;
  if (!installed) {
    process.on("unhandledRejection", hear);
    process.on("uncaughtException", hear);
    installed = true;
  }
  return () => {
    if (listening === listener) listening = undefined;
  };
}

const hear = (error: unknown): void => listening?.(error);
