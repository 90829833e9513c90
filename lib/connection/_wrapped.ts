import { ConnectionFailed } from "../errors";
import { ask } from "./_ask";
import type { Connection } from "./connection";

/** How a hop that is a command around commands works. */
interface Wrapping {
  /** The command as it is run over the hop before. */
  readonly command: (command: string) => string;
  /** Run once when the hop is opened: it must end with exit code 0. */
  readonly proof: string;
  /** What to do about a failed proof, from what it said. */
  readonly remedy?: (said: string) => string | undefined;
  readonly close?: () => Promise<void>;
}

/** A connection whose every command is wrapped and run over `parent`. Throws `ConnectionFailed` when the proof fails. */
export async function wrapped(parent: Connection, hop: string, wrapping: Wrapping): Promise<Connection> {
  const { command, proof, remedy, close } = wrapping;
  const { stdout, stderr, exit } = await ask(parent, command(proof));
  if (exit !== 0) {
    const words = (stderr.trim() || stdout.trim() || `exit code ${exit}`).split("\n").at(-1) ?? "";
    const advice = remedy?.(stderr + stdout);
    throw new ConnectionFailed(hop, `${words}${advice ? `; ${advice}` : ""}`);
  }
  return {
    description: `${parent.description}, ${hop}`,
    get alive() {
      return parent.alive;
    },
    closed: parent.closed,
    ...(parent.local && { local: true }),
    exec: (inner) => parent.exec(command(inner)),
    close: async () => close?.(),
  };
}
