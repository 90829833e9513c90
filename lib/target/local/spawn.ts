import { spawn } from "node:child_process";
import { constants } from "node:os";
import type { Writable } from "node:stream";
import { SILENCE_MS } from "../../model/connection";
import { FailedChange } from "../../model/errors";
import { groupStarted } from "../../util/command-groups";
import { abortedWith, onOneLine, type RawResult, scriptFrom, travelsApart } from "../command";
import { CommandOutput } from "../command-output";
import type { Execution } from "../context";
import { feed } from "../feed";

/** How long a cancelled command may take to end by itself. */
const KILL_GRACE_MS = 1500;

/** Shell text: goes on once its group is noted, and not at all when this process has been killed before that. */
const ONCE_NOTED = "read -r _ <&3 || exit; exec 3<&-; ";

/**
 * Runs `script` with sh in a process group of its own, which is ended when `given` is aborted, and when it prints too
 * much: then it throws `OutputLimitExceeded`.
 */
export function spawnShell(
  script: string,
  how: Execution,
  env: NodeJS.ProcessEnv,
  given: AbortSignal,
): Promise<RawResult> {
  const output = new CommandOutput(how, given);
  const { signal } = output;
  return new Promise((resolve, reject) => {
    const apart = travelsApart(script, how);
    const child = spawn("/bin/sh", ["-c", apart ? scriptFrom(3) : `${ONCE_NOTED}${script}`], {
      cwd: "/",
      env,
      detached: true,
      stdio: [how.input ? "pipe" : "ignore", "pipe", "pipe", "pipe"],
    });
    const groupEnded = groupStarted(child.pid);
    const descriptor = child.stdio[3] as Writable | null;
    descriptor?.on("error", () => {});
    descriptor?.end(apart ? onOneLine(script) : "\n");
    let exit = 0;
    let silence: NodeJS.Timeout | undefined;
    let patience: NodeJS.Timeout | undefined;

    output.read("stdout", child.stdout, () => silence?.refresh());
    output.read("stderr", child.stderr, () => silence?.refresh());
    child.once("error", (error) => {
      settle();
      reject(new FailedChange(`cannot start \`${how.shown}\`: ${error.message}`));
    });
    child.once("exit", (code, ended) => {
      exit = code ?? 128 + (ended ? constants.signals[ended] : 0);
      silence = setTimeout(finish, SILENCE_MS);
    });
    child.once("close", finish);
    if (child.stdin) void feed(child.stdin, how.input, (error) => output.fail(error));
    signal.addEventListener("abort", cancel, { once: true });

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
      else resolve(output.result(exit));
    }

    function settle(): void {
      clearTimeout(silence);
      clearTimeout(patience);
      signal.removeEventListener("abort", cancel);
    }
  });
}
