import { AbortedChange, type PosixTarget } from "consfigurator";

/** Throws `AbortedChange` unless the connected user is root. `property` is the name of the caller, as in a consfig. */
export async function needsRoot(target: PosixTarget, property: string): Promise<void> {
  const { uid, user } = await target.identity();
  if (uid === 0) return;
  throw new AbortedChange(
    `${property} needs root, but the connected user is "${user}"; add via.sudo() to the hops, or connect as root`,
  );
}
