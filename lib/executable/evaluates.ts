import path from "node:path";
import { moduleIn, ownTree } from "../agent/shared/tree";
import type { SlotSteps } from "../engine/slots";
import { FailedChange } from "../model/errors";
import { notPlainData } from "../model/plain-data";
import { defprop, type Steps } from "../model/property";
import { integer, json, list, modulePath, object, record, type Schema, string } from "../model/schema";
import type { NameMeaning } from "../model/typed-function";
import { linked } from "./_linked";

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
  desc: ({ module, call, args }) => `${call}(${shown(args)}) of ${module.replace(/^\//, "")}`,
  apply: async ({ module, call, args }, _target, steps) => {
    const called = exportsOf(module)?.[call];
    if (typeof called !== "function")
      throw new FailedChange(
        `the sources on the host have no function ${call} in ${module.slice(1)}; evaluate it again`,
      );
    report(call, await called(...args), steps);
    return "changed";
  },
});

/** As `evaluates`, for a function that was typed at the prompt. */
export const evaluatesTyped = defprop({
  name: "executable._evaluatesTyped",
  kind: "agent",
  args: object({
    name: string(),
    functions: list(
      object({
        text: string(),
        file: string(),
        line: integer({ minimum: 0 }),
        column: integer({ minimum: 0 }),
        names: record(json() as Schema<NameMeaning>),
      }),
      { minItems: 1 },
    ),
    modules: list(modulePath()),
    args: list(json()),
  }),
  desc: ({ name, functions: [first], args }) =>
    name === ""
      ? `(${beginning((first?.text ?? "").replaceAll(/\s+/g, " "))})(${shown(args)})`
      : `${name}(${shown(args)})`,
  apply: async ({ name, functions, modules, args }, _target, steps) => {
    const called = linked(functions, (index) => exportsOf(modules[index] ?? ""));
    report(name === "" ? "the function" : name, await called(...args), steps);
    return "changed";
  },
});

const SHOWN = 80;

const beginning = (text: string): string => (text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);

const shown = (args: readonly unknown[]): string => args.map((each) => JSON.stringify(each)).join(", ");

/** Of a module of the consfig. */
function exportsOf(module: string): Record<string, unknown> | undefined {
  const tree = ownTree();
  const sent = moduleIn(tree, module);
  return sent && (require(path.join(tree, sent.main)) as Record<string, unknown>);
}

function report(name: string, value: unknown, steps: Steps): void {
  const wrong = value === undefined ? [] : notPlainData([value], "it");
  if (wrong.length > 0) throw new FailedChange(`the value of ${name} cannot be sent back: ${wrong.join()}`);
  const text = value === undefined ? null : JSON.stringify(value);
  if (text !== null && text.length > MOST_CHARACTERS)
    throw new FailedChange(
      `the value of ${name} cannot be sent back: it has ${text.length} characters as JSON, and ${MOST_CHARACTERS} are allowed; return less, such as a summary`,
    );
  (steps as SlotSteps).report([{ value: text }]);
}
