import type { REPLServer } from "node:repl";
import type { WriteStream } from "node:tty";
import { DO_NOT_MARK_PASTES, MARK_PASTES } from "./_paste";
import type { Keyboard } from "./keyboard";

/** If nothing stops us, because no shell controls the job, the prompt is back after this time. */
const NOT_STOPPED_MS = 200;

/**
 * Lets Ctrl-Z at the prompt suspend the whole job, as it does in other programs. Node would stop this process alone: what has
 * started it, such as npm, would go on waiting, and no shell would take the terminal.
 */
export function suspendAsJob(server: REPLServer, keyboard: Keyboard, output: WriteStream): void {
  server.on("SIGTSTP", () => {
    let timer: NodeJS.Timeout | undefined;
    const resume = () => {
      process.off("SIGCONT", resume);
      clearTimeout(timer);
      keyboard.setRawMode(true);
      output.write(MARK_PASTES);
      server.displayPrompt(true);
    };
    process.once("SIGCONT", resume);
    timer = setTimeout(resume, NOT_STOPPED_MS);
    output.write(`${DO_NOT_MARK_PASTES}\n`);
    keyboard.setRawMode(false);
    process.kill(0, "SIGTSTP");
  });
}
