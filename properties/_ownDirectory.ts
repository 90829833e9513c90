/** A directory that belongs to the property that makes it. */
import { defprop, schema } from "consfigurator";
import { needsRoot } from "./_needs";

const { object, string } = schema;

/** The directory `path` exists. Unapplying it deletes it with all that is in it. */
export const directory = defprop({
  name: "directory._own",
  kind: "posix",
  args: object({ path: string() }),
  desc: ({ path }) => `directory ${path}`,
  apply: ({ path }, target) => target.makeDirectory(path),
  unapply: async ({ path }, target) => {
    await needsRoot(target, `deleting ${path}`);
    return target.remove(path, { recursive: true });
  },
});
