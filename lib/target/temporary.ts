import { randomBytes } from "node:crypto";

/** How something temporary is made and removed. */
interface Making {
  /** There must be nothing of that name. */
  make(path: string): Promise<void>;
  /** There may be nothing of that name. */
  discard(path: string): Promise<void>;
}

/** What `use` comes to, given a path in the directory `place` that nobody can guess and at which something was made. */
export async function temporarily<T>(
  place: string,
  use: (path: string) => Promise<T>,
  { make, discard }: Making,
): Promise<T> {
  const path = `${place.replace(/\/+$/, "")}/consfigurator.${randomBytes(9).toString("hex")}`;
  let result: T;
  try {
    await make(path);
    result = await use(path);
  } catch (error) {
    // A command that was cancelled may have made it. What failed first is what counts.
    await discard(path).catch(() => {});
    throw error;
  }
  await discard(path);
  return result;
}
