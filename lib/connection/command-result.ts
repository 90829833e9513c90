import type { Connection } from "../model/connection";
import type { CommandResult } from "../model/errors";
import { readText } from "../util/read-text";

/** Bytes that such a command may print to each stream. */
const MAX_OUTPUT = 16 * 1024 * 1024;

/** Runs `command` over `connection` to its end. For hops that are being opened. */
export async function resultOf(connection: Connection, command: string, input = ""): Promise<CommandResult> {
  const channel = await connection.exec(command, { startsAtOnce: input === "" });
  // A command that has ended reads no more.
  channel.stdin.on("error", () => {});
  channel.stdin.end(input);
  const [stdout, stderr, exit] = await Promise.all([
    readText(channel.stdout, MAX_OUTPUT),
    readText(channel.stderr, MAX_OUTPUT),
    channel.exit,
  ]).catch((error) => {
    channel.kill("SIGKILL");
    throw error;
  });
  return { stdout, stderr, exit };
}
