/** The result of `act`; undefined when it throws, where the reason does not matter. */
export function tryOrUndefined<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}
