import { spawn } from "node:child_process";
import type { WriteStream } from "node:tty";
import { openShell } from "../lib/controller/open-shell";
import type { Hop } from "../lib/model/hop";
import { DO_NOT_MARK_PASTES, MARK_PASTES } from "./_paste";
import type { Keyboard } from "./keyboard";

/** The user's terminal, for questions and programs that take it over from the prompt. */
export class Terminal {
  constructor(
    private readonly keyboard: Keyboard,
    private readonly output: WriteStream,
  ) {}

  /** Waits for one of `keys`; Enter, Escape, Ctrl-C and Ctrl-D give `fallback`. */
  key(keys: string, fallback: string): Promise<string> {
    return new Promise((resolve) => {
      const giveBack = this.keyboard.lend((chunk) => {
        const typed = chunk.toString("latin1");
        const pressed = [...typed].find((each) => keys.includes(each) || "\r\n\u0003\u0004".includes(each));
        if (pressed === undefined && typed !== "\u001b") return;
        giveBack();
        const key = pressed !== undefined && keys.includes(pressed) ? pressed : fallback;
        this.output.write(`${key}\n`);
        resolve(key);
      });
    });
  }

  /** Runs `program` on the terminal until it exits. Rejects if it cannot be started. */
  run(program: string, args: readonly string[]): Promise<void> {
    this.output.write(DO_NOT_MARK_PASTES);
    return this.keyboard.withTerminalReleased(() =>
      new Promise<void>((resolve, reject) => {
        const child = spawn(program, args, { stdio: "inherit" });
        child.once("error", reject);
        child.once("close", () => resolve());
      }).finally(() => void this.output.write(MARK_PASTES)),
    );
  }

  /** Runs a shell on `host`. Returns its exit code. */
  async shell(host: string, hops: readonly Hop[]): Promise<number> {
    const { columns = 80, rows = 24 } = this.output;
    const shell = await openShell(host, hops, { columns, rows });
    if (!shell.terminal)
      this.output.write(`(${host} has no script(1), so this shell has no terminal; type exit to leave)\n`);
    const giveBack = this.keyboard.lend(
      (chunk) => {
        if (shell.terminal) return void shell.stdin.write(chunk);
        this.output.write(chunk.toString().replaceAll("\r", "\r\n")); // without a terminal there is no echo
        shell.stdin.write(chunk.toString().replaceAll("\r", "\n"));
      },
      { raw: true },
    );
    const resized = () => shell.resize({ columns: this.output.columns, rows: this.output.rows });
    const show = (chunk: Buffer) => void this.output.write(chunk);
    this.output.on("resize", resized);
    shell.stdin.on("error", () => {}); // the shell has exited; `shell.exit` reports that
    shell.stdout.on("data", show).resume();
    try {
      return await shell.exit;
    } finally {
      giveBack();
      this.output.write(MARK_PASTES); // the shell has set it as it liked
      this.output.off("resize", resized);
      shell.stdout.off("data", show);
      await shell.close();
    }
  }
}
