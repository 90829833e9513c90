import { AbortedChange, type PosixTarget } from "consfigurator";

/** Throws `AbortedChange` unless the connected user is root. `what` is the property that needs it, as in a consfig. */
export async function needsRoot(target: PosixTarget, what: string): Promise<void> {
  const { uid, user } = await target.identity();
  if (uid === 0) return;
  throw new AbortedChange(
    `${what} needs root, and the connection is as "${user}"; add via.sudo() to the hops, or connect as root`,
  );
}
