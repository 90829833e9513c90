import { spawn } from "node:child_process";
import { ConsfigError } from "../model/errors";
import { cleanLine } from "../util/clean-text";

/** The most that a command may print, in bytes. */
const MAX_OUTPUT = 64 * 1024 * 1024;

/**
 * What `command` prints, with nothing read from the terminal. Rejects with `ConsfigError`: the command is not installed, or
 * it failed, with the last line that it printed to stderr.
 */
export function outputOf(command: readonly [string, ...string[]], input?: Buffer): Promise<Buffer> {
  const [program, ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    const chunks: Buffer[] = [];
    let [size, errors] = [0, ""];
    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_OUTPUT) child.kill("SIGKILL");
      else chunks.push(chunk);
    });
    child.stderr.on("data", (chunk: Buffer) => {
      errors = (errors + chunk.toString("utf8")).slice(-4096);
    });
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    child.once("error", (error: NodeJS.ErrnoException) =>
      reject(new ConsfigError(error.code === "ENOENT" ? `${program} is not installed` : error.message)),
    );
    child.once("close", (exit) => {
      if (exit === 0) return resolve(Buffer.concat(chunks));
      const reason = errors.trim().split("\n").at(-1) ?? "";
      const how =
        size > MAX_OUTPUT ? `printed more than ${MAX_OUTPUT} bytes` : `ended with exit code ${exit}`;
      reject(new ConsfigError(`${program} ${how}${reason ? `: ${cleanLine(reason)}` : ""}`));
    });
  });
}

/** Programs end their output with a line break that is not part of the secret. */
export const withoutLineBreak = (output: Buffer): Buffer =>
  output.subarray(0, output.at(-1) === 0x0a ? -1 : undefined);
