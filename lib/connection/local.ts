import { spawn } from "node:child_process";
import { constants } from "node:os";
import type { Channel, Connection, ExecOptions } from "../model/connection";
import { ConnectionFailed } from "../model/errors";
import { defhop } from "../model/hop";
import { object } from "../model/schema";
import { groupStarted } from "../util/command-groups";
import { RunningCommands } from "./_running-commands";
import { drained, outputOf, silentBefore } from "./_streams";

/** Runs on this machine, as the user of this process. */
export const local = defhop({
  name: "local",
  args: object({}),
  first: true,
  open: async () => localConnection(),
});

/** A connection to this machine, named `description` in messages. It stays open until it is closed. */
export function localConnection(description = "via.local()"): Connection {
  const running = new RunningCommands();
  const ending = Promise.withResolvers<undefined>();
  let closed = false;
  return {
    description,
    get alive() {
      return !closed;
    },
    local: true,
    closed: ending.promise,
    exec: async (command, { lasting = false } = {}) => {
      if (closed) throw new ConnectionFailed(description, "the connection was closed");
      return running.add(await spawned("/bin/sh", ["-c", command], description, { lasting }));
    },
    close: async () => {
      closed = true;
      ending.resolve(undefined);
      await running.end();
    },
  };
}

/** Starts a child process as a channel. It leads a process group, so that `kill` reaches everything it started. */
export async function spawned(
  file: string,
  args: readonly string[],
  hop: string,
  { env, lasting = false }: ExecOptions & { readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Channel> {
  const child = spawn(file, args, { stdio: "pipe", detached: true, ...(env && { env }) });
  // What lasts is not a command of a step, which would be ended with it.
  if (!lasting) child.once("close", groupStarted(child.pid));
  await new Promise<void>((started, failed) => {
    child.once("spawn", started);
    child.once("error", (error) =>
      failed(new ConnectionFailed(hop, `cannot start ${file}: ${error.message}`)),
    );
  });
  // Ignore EPIPE: the process may exit without reading its input.
  child.stdin.on("error", () => {});
  const stdout = outputOf(child.stdout);
  const stderr = outputOf(child.stderr);
  const closed = new Promise((resolve) => child.once("close", resolve));
  return {
    stdin: child.stdin,
    stdout,
    stderr,
    exit: new Promise<number>((ended) => {
      child.once("exit", (code, signal) => ended(code ?? 128 + (signal ? constants.signals[signal] : 0)));
    }).then(async (code) => {
      if (await silentBefore(closed, [child.stdout, child.stderr], [stdout, stderr])) {
        child.stdout.destroy();
        child.stderr.destroy();
      }
      await Promise.all([drained(stdout), drained(stderr)]);
      return code;
    }),
    kill: (signal = "SIGTERM") => {
      try {
        if (child.pid) process.kill(-child.pid, signal);
      } catch {
        // It has already exited.
      }
    },
  };
}
