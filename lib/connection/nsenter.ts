import { defhop } from "../model/hop";
import { asCode } from "../model/property";
import { integer, object } from "../model/schema";
import { enterProcess } from "./_process-namespaces";

/**
 * Enters all namespaces, the root directory and the environment of the process `pid`, as numbered on the machine before
 * it, and needs root there. The hop ends with that process.
 */
export const nsenter = defhop({
  name: "nsenter",
  args: object({ pid: integer({ minimum: 1, description: "the ID of a process" }) }),
  open: (args, { parent }) => enterProcess(parent, asCode("via.nsenter", [args]), args.pid),
});
