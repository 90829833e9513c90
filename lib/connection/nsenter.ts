import { defhop } from "../model/hop";
import { asCode } from "../model/property";
import { integer, object } from "../model/schema";
import { intoLeader } from "./_leader";

/**
 * Into all namespaces, the root directory and the environment of the process `pid`, as numbered on the machine before
 * it; it takes root there. The hop ends with that process.
 */
export const nsenter = defhop({
  name: "nsenter",
  args: object({ pid: integer({ minimum: 1, description: "the number of a process" }) }),
  open: (args, { parent }) => intoLeader(parent, asCode("via.nsenter", [args]), args.pid),
});
