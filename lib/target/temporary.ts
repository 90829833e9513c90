import { randomBytes } from "node:crypto";

/** How a temporary file or directory is created and removed. */
interface Making {
  /** Fails if the path exists. */
  make(path: string): Promise<void>;
  /** Does nothing if the path does not exist. */
  discard(path: string): Promise<void>;
}

/** The result of `use`, given a new path in `place` with an unguessable name. It is removed afterwards. */
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
    // A cancelled command may have created it. The first error is the one to report.
    await discard(path).catch(() => {});
    throw error;
  }
  await discard(path);
  return result;
}
