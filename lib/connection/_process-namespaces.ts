import type { Connection } from "../model/connection";
import { ConnectionFailed } from "../model/errors";
import { ROOT_PATH } from "../util/login-environment";
import { shellQuote } from "../util/shell-quote";
import { resultOf } from "./command-result";
import { type CommandWrapper, wrapped } from "./wrapped";

/** Exit code of the script below when the process does not exist. */
const GONE = 44;

/**
 * A connection into all namespaces, the root directory and the environment of the process `pid`. It ends with that
 * process, even if another one gets the same number later. `through`: words before each command.
 */
export async function enterProcess(
  parent: Connection,
  hop: string,
  pid: number,
  { through = "", ...more }: Pick<CommandWrapper, "close"> & { readonly through?: string } = {},
): Promise<Connection> {
  const start = `read -r l </proc/${pid}/stat || exit ${GONE}; set -- \${l##*) }; s=\${20}`;
  // A newline inside a value counts as a separator.
  const inspectProcess = `{ ${start}; } 2>/dev/null; echo "$s" && tr '\\000' '\\n' </proc/${pid}/environ`;
  const { stdout, stderr, exit } = await resultOf(parent, inspectProcess);
  if (exit === GONE) throw new ConnectionFailed(hop, `there is no process ${pid} on the machine before it`);
  if (exit !== 0)
    throw new ConnectionFailed(
      hop,
      `cannot read the environment of process ${pid}: ${stderr.trim().split("\n").at(-1)}; needs root: add via.sudo() before it`,
    );
  const [startTime = "", ...lines] = stdout.split("\n");
  const environment = environmentOf(lines).map(shellQuote).join(" ");
  return wrapped(parent, hop, {
    command: (command) =>
      `{ ${start.replace(`exit ${GONE}`, "s=")}; } 2>/dev/null
[ "$s" = ${startTime} ] || { echo "process ${pid} has ended" >&2; exit ${GONE}; }
set --; exec nsenter --target ${pid} --all --root --wd -- ${through} env -i ${environment} /bin/sh -c ${shellQuote(command)}`,
    shown: `nsenter --target ${pid} --all --root --wd -- env -i … /bin/sh -c …`,
    atHome: true,
    // nsenter ends at a signal that the command inside may ignore.
    ownGroup: true,
    otherFiles: true,
    ...more,
    remedy: (output) => {
      if (/Operation not permitted|Permission denied/.test(output))
        return "needs root: add via.sudo() before it";
      return /nsenter: not found/.test(output) ? "install util-linux, which has nsenter(1)" : undefined;
    },
  });
}

/** The environment of a login, overridden by the process's own variables. */
function environmentOf(lines: readonly string[]): string[] {
  const login = { HOME: "/root", USER: "root", LOGNAME: "root", SHELL: "/bin/sh", PATH: ROOT_PATH };
  const own = lines.flatMap((line) => {
    const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line) ?? [];
    // Only the process itself may use that socket.
    return name === undefined || value === undefined || name === "NOTIFY_SOCKET"
      ? []
      : [[name, value] as const];
  });
  return Object.entries({ ...login, ...Object.fromEntries(own) }).map(([name, value]) => `${name}=${value}`);
}
