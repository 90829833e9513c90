import { spawn } from "node:child_process";
import { constants } from "node:os";
import type { Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { SILENCE_MS } from "../../model/connection";
import { FailedChange } from "../../model/errors";
import { groupStarted } from "../../util/command-groups";
import { EXCERPT, OutputBuffer } from "../../util/excerpt";
import { abortedWith, onOneLine, type RawResult, scriptFrom, travelsApart } from "../command";
import type { Execution } from "../context";

/** How long a cancelled command may take to end by itself. */
const KILL_GRACE_MS = 1500;

/** Runs `script` with sh in a process group of its own, which is ended when `signal` is aborted. */
export function spawnShell(
  script: string,
  how: Execution,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<RawResult> {
  return new Promise((resolve, reject) => {
    const apart = travelsApart(script, how);
    const child = spawn("/bin/sh", ["-c", apart ? scriptFrom(3) : script], {
      cwd: "/",
      env,
      detached: true,
      stdio: [how.input ? "pipe" : "ignore", "pipe", "pipe", ...(apart ? (["pipe"] as const) : [])],
    });
    if (apart) {
      const descriptor = child.stdio[3] as Writable;
      descriptor.on("error", () => {});
      descriptor.end(onOneLine(script));
    }
    const groupEnded = groupStarted(child.pid);
    const stdout = collect("stdout");
    const stderr = collect("stderr");
    let exit = 0;
    let silence: NodeJS.Timeout | undefined;
    let patience: NodeJS.Timeout | undefined;

    child.once("error", (error) => {
      settle();
      reject(new FailedChange(`cannot start \`${how.shown}\`: ${error.message}`));
    });
    child.once("exit", (code, ended) => {
      exit = code ?? 128 + (ended ? constants.signals[ended] : 0);
      silence = setTimeout(finish, SILENCE_MS);
    });
    child.once("close", finish);
    // A command that ends without reading its input must not end us.
    child.stdin?.on("error", () => {});
    child.stdin?.end(how.input);
    signal.addEventListener("abort", cancel, { once: true });

    function collect(stream: "stdout" | "stderr"): OutputBuffer {
      const printed = new OutputBuffer(how.excerpt ? EXCERPT : undefined);
      const decoder = new StringDecoder("utf8");
      child[stream]?.on("data", (chunk: Buffer) => {
        printed.add(chunk);
        silence?.refresh();
        const text = how.output ? decoder.write(chunk) : "";
        if (text !== "") how.output?.(stream, text);
      });
      return printed;
    }

    function cancel(): void {
      endGroup("SIGTERM");
      patience = setTimeout(() => endGroup("SIGKILL"), KILL_GRACE_MS);
    }

    function endGroup(ended: NodeJS.Signals): void {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, ended);
      } catch {
        // It has ended meanwhile.
      }
    }

    function finish(): void {
      settle();
      groupEnded();
      // Its children may have outlived it, and its patience too.
      if (signal.aborted) endGroup("SIGKILL");
      child.stdout?.destroy();
      child.stderr?.destroy();
      if (signal.aborted) reject(abortedWith(signal, `cancelled: \`${how.shown}\` was ended`));
      else resolve({ exit, stdout: stdout.bytes(), stderr: stderr.bytes() });
    }

    function settle(): void {
      clearTimeout(silence);
      clearTimeout(patience);
      signal.removeEventListener("abort", cancel);
    }
  });
}
