import { defhop } from "../model/hop";
import { asCode } from "../model/property";
import { object, optional, string } from "../model/schema";
import { ROOT_PATH } from "../util/login-environment";
import { shellQuote } from "../util/shell-quote";
import { wrapped } from "./wrapped";

/**
 * Into the LXC container `name`, named as the host unless given, as its root, by lxc-attach(1). The containers are those
 * of the user before it: root's, or with `via.as("alice")` before it those of alice.
 */
export const lxc = defhop({
  name: "lxc",
  args: object({
    name: optional(
      string({ pattern: "^[a-zA-Z0-9][a-zA-Z0-9_.-]*$", description: "the name of a container" }),
    ),
  }),
  call: (name?: string) => (name === undefined ? {} : { name }),
  open: ({ name: said }, { parent, host }) => {
    const name = said ?? host.name;
    const attach = `lxc-attach -n ${shellQuote(name)} --clear-env ${ENVIRONMENT} -- /bin/sh -c`;
    return wrapped(parent, said === undefined ? "via.lxc()" : asCode("via.lxc", [said]), {
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
          ? `is it running, and a container of this very user? \`lxc-ls --fancy\` lists those; \`lxc-start -n ${name}\` starts it`
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

/** A user may only move a process into the control group of a container from one that is that user's as well. */
const SCOPE = `scope= uid=$(id -u) run=\${XDG_RUNTIME_DIR:-/run/user/$(id -u)}
if [ "$uid" != 0 ] && [ -S "$run/systemd/private" ]; then
  XDG_RUNTIME_DIR=$run DBUS_SESSION_BUS_ADDRESS=unix:path=$run/bus; export XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS
  scope="systemd-run --user --scope --quiet --collect --property=Delegate=yes --"
fi`;
