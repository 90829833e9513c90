import { InapplicableProperty } from "../model/errors";
import { type Change, defprop } from "../model/property";
import { absolutePath, boolean, json, list, modulePath, object, optional, string } from "../model/schema";
import { Executable } from "./dump";
import { DeploymentImage } from "./image";
import { LATEST_IMAGE } from "./places";

/** Which call an executable makes. `args` are JSON: none unless given. */
export interface ImageCall {
  /** The module, relative to the file that says it. */
  readonly module: string;
  /** The function that it exports, by name. */
  readonly call: string;
  readonly args?: readonly unknown[];
  /** True: started from a snapshot taken when the module had been loaded, where the code allows it. */
  readonly snapshot?: boolean;
}

const call = object({
  module: modulePath(),
  call: string({ pattern: "^[\\p{L}_$][\\p{L}\\p{N}_$]*$", description: "the name of an exported function" }),
  args: list(json()),
  snapshot: optional(boolean()),
});

/**
 * `path` is an executable which, when started, calls one function of a module of the consfig, in a process in which
 * nothing else has happened. It is built on the host from the sources, which are all that travels: the module, what it
 * imports, npm packages of pure JavaScript, and maps, so that its stacks name the lines of the sources. It is one file
 * of about the size of the code; the runtime is shared by all executables of the host. While nothing that goes into it
 * changes, the file is not touched; else it is replaced in one step, also while it runs. When the module cannot be
 * loaded, or does not export the function, the step fails with the line, and the old executable stays.
 *
 * Without a call it applies again, when started, the deployment in which this stands: without a controller, on the host
 * itself, through its agent. It asks nobody, and has of prerequisite data what the host has. Without a path it is
 * `~/.cache/consfigurator/images/latest`, in a directory that is closed to others. Further applications that were given to
 * `deploy` are in it, too. Fails with `WrongExecutionContextForImageDump` behind further hops, such as in a chroot.
 *
 * @example imageDumped("/usr/local/bin/cool-web-service", { module: "../services/cool", call: "startServer", args: [1234] })
 * @example imageDumped()
 */
export const imageDumped = defprop({
  name: "imageDumped",
  kind: "agent",
  args: object({ path: optional(absolutePath()), call: optional(call) }),
  call: (path?: string, said?: ImageCall) => ({
    ...(path !== undefined && { path }),
    ...(said && { call: { ...said, args: [...(said.args ?? [])] } }),
  }),
  desc: ({ path, call }) =>
    call
      ? `${path} is ${call.call}(${call.args.map((arg) => JSON.stringify(arg)).join(", ")}) of ${call.module}`
      : `${path ?? `~/${LATEST_IMAGE}`} is this deployment`,
  hostattrs: ({ path, call }) => {
    if (call && path === undefined)
      throw new InapplicableProperty("a call is given, and no path for its executable");
  },
  // No `check`: what is there is taken away by unapplying it, of whatever sources it was made.
  apply: async ({ path = "", call }, target): Promise<Change> => {
    if (!call) return (await DeploymentImage.at(target, path || undefined)).apply();
    const executable = new Executable(target, path);
    if (await executable.isCurrent(call)) return "unchanged";
    await executable.dump(call);
    return "changed";
  },
  unapply: async ({ path = "", call }, target): Promise<Change> =>
    call
      ? new Executable(target, path).remove()
      : (await DeploymentImage.at(target, path || undefined)).unapply(),
});
