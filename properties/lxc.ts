/** Containers of LXC that belong to users: root in them is nobody on the host. */
import { as, defprop, defproplist, schema, seqprops } from "consfigurator";
import { needed, needsRoot } from "./_needs";
import * as os from "./_os";
import { hasContent } from "./file";
import * as systemd from "./systemd";
import { hasAccount } from "./user";

export { installed, userContainerStarted, userContainerStopped, whenUserContainerRunning } from "./_lxcState";
export { type UserContainerOptions, userContainer, userContainerFor } from "./_lxcUserContainer";

const { account, integer, object, string } = schema;

const AUTOSTART = [
  "[Unit]",
  "Description=Containers of LXC that start by themselves",
  "",
  "[Service]",
  "Type=oneshot",
  "Delegate=yes",
  "RemainAfterExit=yes",
  "ExecStart=/usr/bin/lxc-autostart",
  "ExecStop=/usr/bin/lxc-autostart --shutdown",
  "",
  "[Install]",
  "WantedBy=default.target",
];

/**
 * The containers of `user` that have `autostart` start when the host boots: by the unit lxc-autostart.service of that user, who
 * has an account, and an instance of systemd without a login.
 *
 * @example lxc.userContainersAutostart("ana")
 */
export const userContainersAutostart = defproplist({
  name: "lxc.userContainersAutostart",
  args: object({ user: account() }),
  call: (user: string) => ({ user }),
  desc: ({ user }) => `containers of ${user} start at boot`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  parts: ({ user }) => [
    needed(seqprops(hasAccount(user), systemd.lingeringEnabled(user))),
    as(
      user,
      hasContent(".config/systemd/user/lxc-autostart.service", AUTOSTART),
      systemd.enabled("lxc-autostart.service", { userInstance: true }),
    ),
  ],
});

const interfaceName = () =>
  string({
    pattern: "^[a-zA-Z0-9][a-zA-Z0-9_.-]*$",
    maxLength: 15,
    description: 'the name of a bridge, or "none"',
  });

/**
 * Containers of `user` may have up to `count` virtual Ethernet interfaces on the bridge `bridge`: the file /etc/lxc/lxc-usernet says
 * so. "none" is for those on no bridge. Unapplying it removes the line.
 *
 * @example lxc.usernetVethUsableBy("ana", { bridge: "lxcbr0", count: 10 })
 */
export const usernetVethUsableBy = defprop({
  name: "lxc.usernetVethUsableBy",
  kind: "posix",
  args: object({ user: account(), bridge: interfaceName(), count: integer({ minimum: 1 }) }),
  call: (
    user: string,
    { bridge = "lxcbr0", count = 10 }: { readonly bridge?: string; readonly count?: number } = {},
  ) => ({ user, bridge, count }),
  desc: ({ user, bridge, count }) => `${count} interfaces on ${bridge} for containers of ${user}`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async ({ user, bridge, count }, target) => {
    await needsRoot(target, "lxc.usernetVethUsableBy");
    const wanted = `${user} veth ${bridge} ${count}`;
    return target.editLines(USERNET, (lines) => {
      const at = lines.findIndex((line) => isFor(line, user, bridge));
      const others = (each: string, index: number) => index === at || !isFor(each, user, bridge);
      const replaced = lines.filter(others).map((line) => (isFor(line, user, bridge) ? wanted : line));
      return at < 0 ? [...replaced, wanted] : replaced;
    });
  },
  unapply: async ({ user, bridge }, target) => {
    await needsRoot(target, "lxc.usernetVethUsableBy");
    if ((await target.stat(USERNET)) === undefined) return "unchanged";
    return target.editLines(USERNET, (lines) => lines.filter((line) => !isFor(line, user, bridge)));
  },
});

const USERNET = "/etc/lxc/lxc-usernet";

const isFor = (line: string, user: string, bridge: string): boolean => {
  const [name, type, on] = line.trim().split(/\s+/);
  return name === user && type === "veth" && on === bridge;
};
