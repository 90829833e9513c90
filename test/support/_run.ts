/** Runs commands on this computer, for the files of this directory. */
import { execFile, type StdioOptions, spawn, spawnSync } from "node:child_process";

export interface Exit {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: number;
}

export interface RunOptions {
  readonly input?: string;
  /** Milliseconds after which the command is killed. */
  readonly timeout?: number;
  /** Kills the command. */
  readonly signal?: AbortSignal;
}

/** Runs a command and returns its outcome, also when it fails. A signal counts as exit 128. */
export function tryRun(command: readonly string[], options: RunOptions = {}): Promise<Exit> {
  const [file = "", ...args] = command;
  return new Promise((resolve, reject) => {
    const limits = {
      maxBuffer: 256 * 1024 * 1024,
      timeout: options.timeout ?? 0,
      killSignal: "SIGKILL" as const,
      ...(options.signal && { signal: options.signal }),
    };
    const child = execFile(file, args, limits, (error, stdout, stderr) => {
      if (error !== null && child.pid === undefined) reject(error);
      else resolve({ stdout, stderr, exit: child.exitCode ?? 128 });
    });
    child.stdin?.on("error", () => {});
    child.stdin?.end(options.input ?? "");
  });
}

/** Runs a command that must succeed; returns its output. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<string> {
  return outputOf(command, await tryRun(command, options));
}

/** Like `run`, but synchronous: for use while the process exits. */
export function runSync(command: readonly string[]): string {
  const [file = "", ...args] = command;
  const { stdout, stderr, status } = spawnSync(file, args, { encoding: "utf8" });
  return outputOf(command, { stdout: stdout ?? "", stderr: stderr ?? "", exit: status ?? 128 });
}

/**
 * Runs `work` while holding the lock `file`, across processes. The lock is released when this process ends, even when
 * killed.
 */
export async function withLock<T>(file: string, work: () => Promise<T>): Promise<T> {
  const stdio: StdioOptions = ["pipe", "pipe", "inherit"];
  const holder = spawn("flock", [file, "sh", "-c", "echo held; exec cat"], { stdio });
  try {
    await new Promise<void>((resolve, reject) => {
      holder.stdout?.once("data", () => resolve());
      holder.once("error", reject);
      holder.once("exit", (code) => reject(new Error(`flock ${file} failed with exit code ${code}`)));
    });
    return await work();
  } finally {
    holder.stdin?.end();
  }
}

function outputOf(command: readonly string[], { stdout, stderr, exit }: Exit): string {
  if (exit !== 0) throw new Error(`${command.join(" ")}: exit ${exit}\n${stderr}${stdout}`);
  return stdout;
}
