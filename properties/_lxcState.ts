/** Containers of users: whether they run. */
import {
  AbortedChange,
  defprop,
  defproplist,
  FailedChange,
  type Host,
  type MaybePropApp,
  schema,
  withoutEmpty,
} from "consfigurator";
import { lxcName, lxcRun, lxcStart, lxcState, needsSession } from "./_lxcCommand";
import * as os from "./_os";
import { whileRunning } from "./_whileRunning";
import { installed as aptInstalled } from "./apt";
import { isInhibited } from "./service";

const { account, list, object, optional, propapp } = schema;

/**
 * LXC is installed, with what containers of users need.
 *
 * @example lxc.installed()
 */
export const installed = defproplist({
  name: "lxc.installed",
  args: object({}),
  call: () => ({}),
  desc: () => "LXC installed",
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: () => [aptInstalled("lxc", "uidmap")],
});

const containerArgs = object({ name: lxcName(), owner: optional(account()) });

/** A host, or its name, which is that of the container. */
type Named = Pick<Host, "name"> | string;
const nameOf = (host: Named): string => (typeof host === "string" ? host : host.name);
const byName = (host: Named, owner?: string) => ({
  name: nameOf(host),
  ...(owner !== undefined && { owner }),
});
const ownersText = ({ owner }: { readonly owner?: string | undefined }): string =>
  owner ? ` of ${owner}` : "";

/** Seconds that a container must have run to be taken to go on. */
const STEADY_S = 1;

/**
 * The container that is called as `host`, of the user `owner` or else of the connected user, runs, and still does a second after its
 * start. There must be one: see `lxc.userContainerFor`. A user other than root needs an instance of systemd:
 * `systemd.lingeringEnabled`. Does nothing where services are inhibited.
 *
 * @example lxc.userContainerStarted("build.example.org", "ana")
 */
export const userContainerStarted = defprop({
  name: "lxc.userContainerStarted",
  kind: "posix",
  args: containerArgs,
  call: byName,
  desc: (args) => `container ${args.name}${ownersText(args)} started`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async ({ name, owner }, target) => {
    if (isInhibited(target)) return "unchanged";
    const state = await lxcState(target, owner, name);
    if (state === "RUNNING") return "unchanged";
    if (state === undefined)
      throw new AbortedChange(
        `${owner ?? "the connected user"} has no container ${name}; put lxc.userContainerFor before this property`,
      );
    await needsSession(target, owner);
    const why = await lxcStart(target, owner, name);
    if (why !== undefined) throw new FailedChange(`the container ${name} did not start: ${why}`);
    await target.query(`sleep ${STEADY_S}`);
    if ((await lxcState(target, owner, name)) !== "RUNNING")
      throw new FailedChange(
        `the container ${name} does not keep running; \`lxc-start --foreground --name=${name}\` shows why`,
      );
    return "changed";
  },
});

/**
 * The container that is called as `host`, of the user `owner` or else of the connected user, does not run. It is shut down, and
 * ended after a minute.
 *
 * @example lxc.userContainerStopped("build.example.org", "ana")
 */
export const userContainerStopped = defprop({
  name: "lxc.userContainerStopped",
  kind: "posix",
  args: containerArgs,
  call: byName,
  desc: (args) => `container ${args.name}${ownersText(args)} stopped`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async ({ name, owner }, target) => {
    const state = await lxcState(target, owner, name);
    if (state === undefined || state === "STOPPED") return "unchanged";
    const { exit, stderr } = await lxcRun(target, owner, ["lxc-stop", `--name=${name}`, "--timeout=60"]);
    if (exit !== 0 && (await lxcState(target, owner, name)) === "RUNNING")
      throw new FailedChange(`the container ${name} did not stop: ${stderr.trim() || `exit code ${exit}`}`);
    return "changed";
  },
});

const whenArgs = object({ name: lxcName(), owner: optional(account()), applications: list(propapp()) });

/**
 * Applies each of `applications` in order while the container that is called as `host` runs, and nothing otherwise. The first
 * failure stops the rest. Unapplying unapplies them, while it runs.
 *
 * @example lxc.whenUserContainerRunning("build.example.org", { owner: "ana" }, file.hasContent("/run/build-runs", "yes"))
 */
export const whenUserContainerRunning = defprop({
  name: "lxc.whenUserContainerRunning",
  args: whenArgs,
  call: (host: Named, { owner }: { readonly owner?: string } = {}, ...applications: MaybePropApp[]) => ({
    ...byName(host, owner),
    applications: withoutEmpty(applications),
  }),
  desc: (args) => `while the container ${args.name}${ownersText(args)} runs`,
  ...whileRunning<schema.Infer<typeof whenArgs>>(
    async ({ name, owner }, target) => (await lxcState(target, owner, name)) === "RUNNING",
  ),
});
