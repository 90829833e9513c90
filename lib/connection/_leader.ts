import type { Connection } from "../model/connection";
import { ConnectionFailed } from "../model/errors";
import { ROOT_PATH } from "../util/login-environment";
import { shellQuote } from "../util/shell-quote";
import { resultOf } from "./command-result";
import { wrapped } from "./wrapped";

/** Exit code of the look at a process: there is none of that number. */
const GONE = 44;

/**
 * A connection into everything that the process `pid` lives in: all of its namespaces, its root directory, its
 * environment. It ends with that very process, whatever gets its number later.
 */
export async function intoLeader(parent: Connection, hop: string, pid: number): Promise<Connection> {
  const start = `read -r l </proc/${pid}/stat || exit ${GONE}; set -- \${l##*) }; s=\${20}`;
  // Only printable variables: the others could not be told apart from what stands between them.
  const look = `{ ${start}; } 2>/dev/null; echo "$s" && tr '\\000' '\\n' </proc/${pid}/environ`;
  const { stdout, stderr, exit } = await resultOf(parent, look);
  if (exit === GONE) throw new ConnectionFailed(hop, `there is no process ${pid} on the machine before it`);
  if (exit !== 0)
    throw new ConnectionFailed(
      hop,
      `cannot see the environment of process ${pid}: ${stderr.trim().split("\n").at(-1)}; it takes root: add via.sudo() before it`,
    );
  const [born = "", ...lines] = stdout.split("\n");
  const environment = environmentOf(lines).map(shellQuote).join(" ");
  return wrapped(parent, hop, {
    command: (command) =>
      `{ ${start.replace(`exit ${GONE}`, "s=")}; } 2>/dev/null
[ "$s" = ${born} ] || { echo "process ${pid} has ended" >&2; exit ${GONE}; }
set --; exec nsenter --target ${pid} --all --root --wd -- env -i ${environment} /bin/sh -c ${shellQuote(command)}`,
    shown: `nsenter --target ${pid} --all --root --wd -- env -i … /bin/sh -c …`,
    atHome: true,
    otherFiles: true,
    remedy: (said) => {
      if (/Operation not permitted|Permission denied/.test(said))
        return "it takes root: add via.sudo() before it";
      return /nsenter: not found/.test(said) ? "it takes nsenter(1) of util-linux there" : undefined;
    },
  });
}

/** What a login would have, with the leader's own variables over it. */
function environmentOf(lines: readonly string[]): string[] {
  const login = { HOME: "/root", USER: "root", LOGNAME: "root", SHELL: "/bin/sh", PATH: ROOT_PATH };
  const own = lines.flatMap((line) => {
    const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line) ?? [];
    // A socket that only the leader may use.
    return name === undefined || value === undefined || name === "NOTIFY_SOCKET"
      ? []
      : [[name, value] as const];
  });
  return Object.entries({ ...login, ...Object.fromEntries(own) }).map(([name, value]) => `${name}=${value}`);
}
