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

/** A shell on a host, for a person. */
export interface PersonalShell {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** False: there is no script(1) on the host, so the shell has no terminal there. */
  readonly terminal: boolean;
  /** Settles when the shell has ended, with its exit code. Rejects with `ConnectionFailed` when the link is lost. */
  readonly exit: Promise<number>;
  resize(size: TerminalSize): void;
  /** Ends the shell, and the hops that were opened for it. */
  close(): Promise<void>;
}

/**
 * An interactive shell on `host`, behind all of `chain`, over the connection to it that is open already when there is
 * one. The terminal there is made by script(1), so that any sort of hop will do. Throws `ConnectionFailed`.
 */
export async function openShell(
  host: string,
  chain: readonly Hop[],
  size: TerminalSize,
): Promise<PersonalShell> {
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

/** Stands on both sides of what the shell says of its terminal before anything else. */
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
): Promise<PersonalShell> {
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

/** The path of the terminal there, or "" without one; what comes after it stays to be read. */
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
          new ConnectionFailed(
            "shell",
            `it ended at once, with exit code ${code}: ${head.toString().trim()}`,
          ),
        ),
      failed,
    );
  });
}
