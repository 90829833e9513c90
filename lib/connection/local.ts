import { spawn } from "node:child_process";
import { constants } from "node:os";
import { ConnectionFailed } from "../errors";
import { object } from "../schema";
import type { Channel, Connection } from "./connection";
import { defhop } from "./hop";

/** This machine, as the user who runs us. */
export const local = defhop({
  name: "local",
  args: object({}),
  first: true,
  open: async () => localConnection(),
});

/** A connection to this machine. It holds nothing, and so never ends. */
export function localConnection(): Connection {
  return {
    description: "via.local()",
    alive: true,
    local: true,
    closed: new Promise(() => {}),
    exec: async (command) => spawned("/bin/sh", ["-c", command], "via.local()"),
    close: async () => {},
  };
}

/** A child process as a channel, in a process group of its own so that all of it can be ended. */
export async function spawned(
  file: string,
  args: readonly string[],
  hop: string,
  options: { readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Channel> {
  const child = spawn(file, args, { stdio: "pipe", detached: true, ...options });
  await new Promise<void>((started, failed) => {
    child.once("spawn", started);
    child.once("error", (error) =>
      failed(new ConnectionFailed(hop, `cannot start ${file}: ${error.message}`)),
    );
  });
  // A process that ends without reading its input must not end us.
  child.stdin.on("error", () => {});
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    exit: new Promise((ended) => {
      child.once("close", (code, signal) => ended(code ?? 128 + (signal ? constants.signals[signal] : 0)));
    }),
    kill: (signal = "SIGTERM") => {
      try {
        if (child.pid) process.kill(-child.pid, signal);
      } catch {
        // It has ended meanwhile.
      }
    },
  };
}
