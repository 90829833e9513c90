import { InapplicableProperty } from "./errors";
import { Executable } from "./executable/dump";
import { type Change, defprop } from "./property";
import { absolutePath, json, list, modulePath, object, string } from "./schema";

const callShape = {
  /** The module, relative to the file that says it. */
  module: modulePath(),
  /** The function that it exports, by name. */
  call: string({ pattern: "^[\\p{L}_$][\\p{L}\\p{N}_$]*$", description: "the name of an exported function" }),
};

/** Which call an executable makes. `args` are JSON: none unless given. */
export interface ImageCall {
  readonly module: string;
  readonly call: string;
  readonly args?: readonly unknown[];
}

/**
 * `path` is an executable which, when started, calls one function of a module of the consfig, in a process in which
 * nothing else has happened. It is built on the host from the sources, which are all that travels: the module, what it
 * imports, npm packages of pure JavaScript, and maps, so that its stacks name the lines of the sources. It is one file
 * of about the size of the code; the runtime is shared by all executables of the host. While nothing that goes into it
 * changes, the file is not touched; else it is replaced in one step, also while it runs. When the module cannot be
 * loaded, or does not export the function, the step fails with the line, and the old executable stays.
 *
 * @example imageDumped("/usr/local/bin/cool-web-service", { module: "../services/cool", call: "startServer", args: [1234] })
 */
export const imageDumped = defprop({
  name: "imageDumped",
  kind: "agent",
  args: object({ path: absolutePath(), ...callShape, args: list(json()) }),
  call: (path: string, { module, call, args = [] }: ImageCall) => ({ path, module, call, args: [...args] }),
  desc: ({ path, module, call, args }) =>
    `${path} is ${call}(${args.map((arg) => JSON.stringify(arg)).join(", ")}) of ${module}`,
  hostattrs: ({ args }) => {
    const [at] = notJson(args, "args");
    if (at)
      throw new InapplicableProperty(`${at} is no JSON, and stands in a file on the host; give plain data`);
  },
  // No `check`: what is there is taken away by unapplying it, of whatever sources it was made.
  apply: async ({ path, ...call }, target): Promise<Change> => {
    const executable = new Executable(target, path);
    if (await executable.isCurrent(call)) return "unchanged";
    await executable.dump(call);
    return "changed";
  },
  unapply: ({ path }, target) => new Executable(target, path).remove(),
});

/** The places in `value` of what JSON cannot hold. */
function notJson(value: unknown, place: string): string[] {
  if (value === null || ["string", "boolean"].includes(typeof value) || Number.isFinite(value)) return [];
  if (Array.isArray(value)) return value.flatMap((item, index) => notJson(item, `${place}[${index}]`));
  const isPlain = typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype;
  return isPlain
    ? Object.entries(value as object).flatMap(([key, inner]) => notJson(inner, `${place}.${key}`))
    : [place];
}
