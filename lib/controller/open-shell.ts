import type { Readable, Writable } from "node:stream";
import { HopStack } from "../connection/hop-stack";
import type { Connection } from "../model/connection";
import { ConnectionFailed } from "../model/errors";
import type { Hop } from "../model/hop";
import { agentIndex } from "../model/hop-chain";
import { HostModel } from "../model/host-facts";
import { lease, leaseContext } from "./leases";

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** An interactive shell on a host. */
export interface InteractiveShell {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** False: the host has no script(1), so the shell has no terminal. */
  readonly terminal: boolean;
  /** Resolves to the exit code when the shell has ended. Rejects with `ConnectionFailed` when the link is lost. */
  readonly exit: Promise<number>;
  resize(size: TerminalSize): void;
  /** Ends the shell, and the hops that were opened for it. */
  close(): Promise<void>;
}

/**
 * Opens an interactive shell on `host`, behind all hops of `chain`, reusing an open connection if there is one. script(1)
 * provides the terminal, so it works behind every hop. Throws `ConnectionFailed`.
 */
export async function openShell(
  host: string,
  chain: readonly Hop[],
  size: TerminalSize,
): Promise<InteractiveShell> {
  const at = agentIndex(chain) + 1 || chain.length;
  const model = HostModel.named(host);
  const { connection, release } = await lease(model, chain.slice(0, at));
  const further = new HopStack(connection);
  const close = async () => {
    await further.close();
    release();
  };
  try {
    await further.openAll(chain.slice(at), leaseContext(model));
    return await start(further.top, size, close);
  } catch (error) {
    await close();
    throw error;
  }
}

/** Encloses the path of the terminal, which the shell prints first. */
const TTY_DELIMITER = "\u001e";

const command = ({ columns, rows }: TerminalSize): string => `cd 2>/dev/null || cd /
SHELL=$(getent passwd "$(id -u)" 2>/dev/null | cut -d: -f7)
[ -x "$SHELL" ] || SHELL=/bin/sh
export SHELL TERM=${/^[\w.+-]+$/.exec(process.env["TERM"] ?? "")?.[0] ?? "xterm"}
if command -v script >/dev/null; then
  exec script -qefc 'stty rows ${rows} cols ${columns} 2>/dev/null; printf "\\036%s\\036" "$(tty)"; exec "$SHELL" -l' /dev/null
fi
printf '\\036\\036'
exec "$SHELL" -i 2>&1`;

async function start(
  connection: Connection,
  size: TerminalSize,
  close: () => Promise<void>,
): Promise<InteractiveShell> {
  const channel = await connection.exec(command(size));
  channel.stderr.resume();
  const terminal = await terminalOf(channel.stdout, channel.exit);
  return {
    stdin: channel.stdin,
    stdout: channel.stdout,
    terminal: terminal !== "",
    exit: channel.exit,
    resize: ({ columns, rows }) => {
      if (!terminal) return;
      connection
        .exec(`stty -F ${terminal} rows ${rows} cols ${columns} 2>/dev/null`)
        .then((resizing) => {
          resizing.stdin.end();
          resizing.stdout.resume();
          resizing.stderr.resume();
          resizing.exit.catch(() => {});
        })
        .catch(() => {});
    },
    close: async () => {
      channel.kill("SIGHUP");
      await close();
    },
  };
}

/** The path of the shell's terminal, or "" without one. Leaves the output after it in `stdout`. */
function terminalOf(stdout: Readable, exit: Promise<number>): Promise<string> {
  return new Promise((found, failed) => {
    let head = Buffer.alloc(0);
    const take = (chunk: Buffer) => {
      head = Buffer.concat([head, chunk]);
      const start = head.indexOf(TTY_DELIMITER);
      const end = start < 0 ? -1 : head.indexOf(TTY_DELIMITER, start + 1);
      if (end < 0) return;
      stdout.off("data", take);
      stdout.pause();
      const rest = head.subarray(end + 1);
      if (rest.length > 0) stdout.unshift(rest);
      found(/^\/dev\/[\w/]+$/.exec(head.toString("latin1", start + 1, end))?.[0] ?? "");
    };
    stdout.on("data", take);
    exit.then(
      (code) =>
        failed(
          new ConnectionFailed("shell", `it exited immediately with code ${code}: ${head.toString().trim()}`),
        ),
      failed,
    );
  });
}
