import { InapplicableProperty } from "../model/errors";
import { shared } from "../model/host-facts";
import { type Change, defprop } from "../model/property";
import {
  absolutePath,
  boolean,
  datum,
  json,
  list,
  modulePath,
  object,
  optional,
  string,
} from "../model/schema";
import { Executable } from "./dump";
import { DeploymentImage } from "./image";
import { LATEST_IMAGE } from "./places";

/** The function that an executable calls. `args` are JSON, by default none. */
export interface ImageCall {
  /** The module, relative to the file with this call. */
  readonly module: string;
  /** The name of the exported function. */
  readonly call: string;
  readonly args?: readonly unknown[];
  /** True: starts from a snapshot taken after the module was loaded, if the code supports that. */
  readonly snapshot?: boolean;
}

/** How an executable repeats the deployment that made it. */
export interface RepetitionOptions {
  /** Prerequisite data that the host does not keep for it. A step that needs one fails when the host repeats the deployment. */
  readonly without?: readonly (readonly [iden1: string, iden2: string])[];
}

const call = object({
  module: modulePath(),
  call: string({ pattern: "^[\\p{L}_$][\\p{L}\\p{N}_$]*$", description: "the name of an exported function" }),
  args: list(json()),
  snapshot: optional(boolean()),
});

/**
 * `path` is an executable that calls one function of a module of the consfig, in a fresh process. It is built on the
 * host from the sources: the module, its imports, npm packages of pure JavaScript, and source maps, so that stack traces
 * show the lines of the sources. It is a single file of about the size of the code; all executables of the host share
 * one runtime. The file stays untouched while its inputs do not change; otherwise it is replaced in one step, even while
 * it runs. When the module cannot be loaded or does not export the function, the step fails with the line, and the old
 * executable stays. Every user can read an executable, and so its arguments: no secrets there.
 *
 * Without a call, the executable reapplies the deployment that contains this application: without a controller, on the
 * host itself, through its agent. It is made when all other steps have succeeded: a deployment in which one failed leaves
 * the earlier image, or none. It never prompts. The prerequisite data that the deployment needs is kept on the host, in
 * `~/.cache/consfigurator/images/data`, as of the last deployment that succeeded, until this is unapplied; a host that must
 * not keep a datum, as that of `source.askpass`, is refused before connecting unless `without` names it. The default path
 * is `~/.cache/consfigurator/images/latest`, in a directory private to the user. Further applications passed to `deploy`
 * are included. Fails with `WrongExecutionContextForImageDump` behind further hops, such as in a chroot.
 *
 * @example imageDumped("/usr/local/bin/cool-web-service", { module: "../services/cool", call: "startServer", args: [1234] })
 * @example imageDumped()
 * @example imageDumped(undefined, { without: [["_ca", "key"]] })
 */
export const imageDumped = defprop({
  name: "imageDumped",
  kind: "agent",
  args: object({ path: optional(absolutePath()), call: optional(call), without: optional(list(datum())) }),
  call: (path?: string, given: ImageCall | RepetitionOptions = {}) => ({
    ...(path !== undefined && { path }),
    ...("module" in given && { call: { ...given, args: [...(given.args ?? [])] } }),
    ...("without" in given && { without: [...(given.without ?? [])] }),
  }),
  desc: ({ path, call }) =>
    call
      ? `${path} calls ${call.call}(${call.args.map((arg) => JSON.stringify(arg)).join(", ")}) of ${call.module}`
      : `${path ?? `~/${LATEST_IMAGE}`} reapplies this deployment`,
  hostattrs: ({ path, call, without = [] }, host) => {
    if (call && path === undefined) throw new InapplicableProperty("a call needs a path for its executable");
    if (call) return;
    host.push(shared.repetitions, { ...(path !== undefined && { path }), without });
  },
  // No `check`: unapplying removes the executable regardless of its inputs.
  apply: async ({ path = "", call, without = [] }, target): Promise<Change> => {
    if (!call) return (await DeploymentImage.at(target, path || undefined)).apply(without);
    const executable = new Executable(target, path);
    if (await executable.isCurrent(call)) return "unchanged";
    await executable.dump(call);
    return "changed";
  },
  unapply: async ({ path = "", call }, target): Promise<Change> =>
    call
      ? new Executable(target, path).remove()
      : (await DeploymentImage.at(target, path || undefined)).unapply(path || undefined),
});
