import path from "node:path";
import { moduleIn, ownTree } from "../agent/shared/tree";
import type { SlotSteps } from "../engine/slots";
import { FailedChange } from "../model/errors";
import { notPlainData } from "../model/plain-data";
import { defprop } from "../model/property";
import { json, list, modulePath, object, string } from "../model/schema";

/** Of the value as JSON. */
const MOST_CHARACTERS = 1024 * 1024;

/**
 * Calls the exported function `call` of a module of the consfig on the host, in the process of this deployment alone, and
 * reports its value as a row. Refuses a value that is not plain data.
 */
export const evaluates = defprop({
  name: "executable._evaluates",
  kind: "agent",
  args: object({ module: modulePath(), call: string(), args: list(json()) }),
  desc: ({ module, call, args }) =>
    `${call}(${args.map((each) => JSON.stringify(each)).join(", ")}) of ${module.replace(/^\//, "")}`,
  apply: async ({ module, call, args }, _target, steps) => {
    const tree = ownTree();
    const sent = moduleIn(tree, module);
    const exported = sent && (require(path.join(tree, sent.main)) as Record<string, unknown>);
    const called = exported?.[call];
    if (typeof called !== "function")
      throw new FailedChange(
        `the sources on the host have no function ${call} in ${module.slice(1)}; evaluate it again`,
      );
    const value: unknown = await called(...args);
    const wrong = value === undefined ? [] : notPlainData([value], "it");
    if (wrong.length > 0) throw new FailedChange(`the value of ${call} cannot be sent back: ${wrong.join()}`);
    const text = value === undefined ? null : JSON.stringify(value);
    if (text !== null && text.length > MOST_CHARACTERS)
      throw new FailedChange(
        `the value of ${call} cannot be sent back: it has ${text.length} characters as JSON, and ${MOST_CHARACTERS} are allowed; return less, such as a summary`,
      );
    (steps as SlotSteps).report([{ value: text }]);
    return "changed";
  },
});
