import { text } from "node:stream/consumers";
import type { Connection } from "../model/connection";
import type { CommandResult } from "../model/errors";

/** Runs `command` over `connection` to its end. For hops that are being opened. */
export async function resultOf(connection: Connection, command: string): Promise<CommandResult> {
  const channel = await connection.exec(command);
  channel.stdin.end();
  const [stdout, stderr, exit] = await Promise.all([
    text(channel.stdout),
    text(channel.stderr),
    channel.exit,
  ]);
  return { stdout, stderr, exit };
}
