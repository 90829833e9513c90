import { defhop } from "../model/hop";
import { asCode } from "../model/property";
import { object, optional, string } from "../model/schema";
import { ROOT_PATH } from "../util/login-environment";
import { shellQuote } from "../util/shell-quote";
import { wrapped } from "./wrapped";

/**
 * Enters the LXC container `name` (the host's name by default) as its root, with lxc-attach(1). The containers are those of
 * the user before it: root's, or alice's after `via.as("alice")`.
 */
export const lxc = defhop({
  name: "lxc",
  args: object({
    name: optional(
      string({ pattern: "^[a-zA-Z0-9][a-zA-Z0-9_.-]*$", description: "the name of a container" }),
    ),
  }),
  call: (name?: string) => (name === undefined ? {} : { name }),
  open: (args, { parent, host }) => {
    const name = args.name ?? host.name;
    const attach = `lxc-attach -n ${shellQuote(name)} --clear-env ${ENVIRONMENT} -- /bin/sh -c`;
    return wrapped(parent, args.name === undefined ? "via.lxc()" : asCode("via.lxc", [args.name]), {
      command: (command) => `${SCOPE}\nexec $scope ${attach} ${shellQuote(command)}`,
      shown: `lxc-attach -n ${shellQuote(name)} --clear-env … -- /bin/sh -c …`,
      atHome: true,
      hidesSignals: true,
      otherFiles: true,
      remedy: (output) => {
        if (/not found/.test(output)) return "lxc-attach is in the package lxc";
        return /init pid|not running|No such file or directory|not defined|lack access|attach context/i.test(
          output,
        )
          ? `check that it is running and belongs to this user: \`lxc-ls --fancy\` lists the containers, \`lxc-start -n ${name}\` starts it`
          : undefined;
      },
    });
  },
});

const ENVIRONMENT = Object.entries({
  HOME: "/root",
  USER: "root",
  LOGNAME: "root",
  SHELL: "/bin/sh",
  PATH: ROOT_PATH,
})
  .map(([name, value]) => `--set-var ${name}=${value}`)
  .join(" ");

/** A user may move a process into a container's control group only from a control group that the user owns too. */
const SCOPE = `scope= uid=$(id -u) run=\${XDG_RUNTIME_DIR:-/run/user/$(id -u)}
if [ "$uid" != 0 ] && [ -S "$run/systemd/private" ]; then
  XDG_RUNTIME_DIR=$run DBUS_SESSION_BUS_ADDRESS=unix:path=$run/bus; export XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS
  scope="systemd-run --user --scope --quiet --collect --property=Delegate=yes --"
fi`;
