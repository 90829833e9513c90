import { asCode } from "../property";
import { integer, object } from "../schema";
import { intoLeader } from "./_leader";
import { defhop } from "./hop";

/**
 * Into all namespaces, the root directory and the environment of the process `pid`, as numbered on the machine before
 * it; it takes root there. The hop ends with that process.
 */
export const nsenter = defhop({
  name: "nsenter",
  args: object({ pid: integer({ minimum: 1, description: "the number of a process" }) }),
  open: (args, { parent }) => intoLeader(parent, asCode("via.nsenter", [args]), args.pid),
});
