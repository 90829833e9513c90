import { spawn } from "node:child_process";
import { constants } from "node:os";
import type { Channel, Connection } from "../model/connection";
import { ConnectionFailed } from "../model/errors";
import { defhop } from "../model/hop";
import { object } from "../model/schema";
import { Running } from "./_running";

/** This machine, as the user who runs us. */
export const local = defhop({
  name: "local",
  args: object({}),
  first: true,
  open: async () => localConnection(),
});

/** A connection to this machine, called `description` in messages. It ends only when it is closed. */
export function localConnection(description = "via.local()"): Connection {
  const running = new Running();
  const over = Promise.withResolvers<undefined>();
  let closed = false;
  return {
    description,
    get alive() {
      return !closed;
    },
    local: true,
    closed: over.promise,
    exec: async (command) => {
      if (closed) throw new ConnectionFailed(description, "the connection was closed");
      return running.add(await spawned("/bin/sh", ["-c", command], description));
    },
    close: async () => {
      closed = true;
      over.resolve(undefined);
      await running.end();
    },
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
