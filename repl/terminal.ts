import { spawn } from "node:child_process";
import type { WriteStream } from "node:tty";
import { openShell } from "../lib/controller/open-shell";
import type { Hop } from "../lib/model/hop";
import type { Keyboard } from "./keyboard";

/** The terminal of the person at the prompt, for what takes it from the prompt for a while. */
export class Terminal {
  constructor(
    private readonly keyboard: Keyboard,
    private readonly output: WriteStream,
  ) {}

  /** The first of `keys` to be pressed; Enter, Escape, Ctrl-C and Ctrl-D are `otherwise`. */
  key(keys: string, otherwise: string): Promise<string> {
    return new Promise((resolve) => {
      const giveBack = this.keyboard.lend((chunk) => {
        const typed = chunk.toString("latin1");
        const pressed = [...typed].find((each) => keys.includes(each) || "\r\n\u0003\u0004".includes(each));
        if (pressed === undefined && typed !== "\u001b") return;
        giveBack();
        const key = pressed !== undefined && keys.includes(pressed) ? pressed : otherwise;
        this.output.write(`${key}\n`);
        resolve(key);
      });
    });
  }

  /** Runs `program` with the terminal as its own, to its end. Throws when it cannot be started. */
  run(program: string, args: readonly string[]): Promise<void> {
    return this.keyboard.away(
      () =>
        new Promise((ended, failed) => {
          const child = spawn(program, args, { stdio: "inherit" });
          child.once("error", failed);
          child.once("close", () => ended());
        }),
    );
  }

  /** A shell on `host`, until it is left. Gives its exit code. */
  async shell(host: string, hops: readonly Hop[]): Promise<number> {
    const { columns = 80, rows = 24 } = this.output;
    const shell = await openShell(host, hops, { columns, rows });
    if (!shell.terminal)
      this.output.write("(there is no script(1) there, so the shell has no terminal; exit ends it)\n");
    const giveBack = this.keyboard.lend((chunk) => {
      if (shell.terminal) return void shell.stdin.write(chunk);
      this.output.write(chunk.toString().replaceAll("\r", "\r\n")); // nobody else would show what is typed
      shell.stdin.write(chunk.toString().replaceAll("\r", "\n"));
    });
    const resized = () => shell.resize({ columns: this.output.columns, rows: this.output.rows });
    const show = (chunk: Buffer) => void this.output.write(chunk);
    this.output.on("resize", resized);
    shell.stdin.on("error", () => {}); // it has ended: so its exit code will say
    shell.stdout.on("data", show).resume();
    try {
      return await shell.exit;
    } finally {
      giveBack();
      this.output.off("resize", resized);
      shell.stdout.off("data", show);
      await shell.close();
    }
  }
}
