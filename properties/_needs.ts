import { AbortedChange, defprop, type PosixTarget, type PropApp, schema, withUnapply } from "consfigurator";

const { object, string } = schema;

/** Throws `AbortedChange` unless the connected user is root. `property` is the name of the caller, as in a consfig. */
export async function needsRoot(target: PosixTarget, property: string): Promise<void> {
  const { uid, user } = await target.identity();
  if (uid === 0) return;
  throw new AbortedChange(
    `${property} needs root, but the connected user is "${user}"; add via.sudo() to the hops, or connect as root`,
  );
}

/** Refuses to go on without root, for a property that is made of others. */
export const rootRequired = defprop({
  name: "needs._root",
  kind: "posix",
  args: object({ property: string() }),
  call: (property: string) => ({ property }),
  desc: ({ property }) => `root for ${property}`,
  inline: true,
  apply: async ({ property }, target) => {
    await needsRoot(target, property);
    return "unchanged";
  },
});

/**
 * `application` for a property that needs it: when that is unapplied, it stays, such as a package that others may use by now.
 */
export const needed = (application: PropApp): PropApp => withUnapply([application], []);
