/** What `look` gives; undefined when it throws: where it does not matter why there is nothing. */
export function tryOrUndefined<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
