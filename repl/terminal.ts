import { spawn } from "node:child_process";
import type { WriteStream } from "node:tty";
import { openShell } from "../lib/controller/open-shell";
import type { Hop } from "../lib/model/hop";
import { DO_NOT_MARK_PASTES, MARK_PASTES } from "./_paste";
import type { Keyboard } from "./keyboard";

/** A view on the whole screen: `suspend` leaves the terminal to something else, until `resume`. */
export interface Cover {
  suspend(): void;
  resume(): void;
}

/** The user's terminal, for questions and programs that take it over from the prompt. */
export class Terminal {
  #cover: Cover | undefined;
  #held = "";
  #pauses = 0;

  /** `drawing`: what is drawn below the prompt's last line, and pauses while something else needs the screen. */
  constructor(
    private readonly keyboard: Keyboard,
    readonly output: WriteStream,
    private readonly drawing: { pause(): void; resume(): void } = { pause: () => {}, resume: () => {} },
  ) {}

  get columns(): number {
    return this.output.columns ?? 80;
  }

  get rows(): number {
    return this.output.rows ?? 24;
  }

  /** Shows `cover` while `act` runs. What is printed meanwhile comes after it. */
  async covered(cover: Cover, act: () => Promise<void>): Promise<void> {
    this.drawing.pause();
    this.#cover = cover;
    this.#pauses = 0;
    cover.resume();
    try {
      await act();
    } finally {
      this.uncover();
      this.drawing.resume();
    }
  }

  /** Ends what covers the terminal, at once. */
  uncover(): void {
    this.#cover?.suspend();
    this.#cover = undefined;
    const held = this.#held;
    this.#held = "";
    if (held) this.output.write(held);
  }

  /** Keeps `text` for later if something covers the terminal; false if nothing does. */
  holds(text: string): boolean {
    if (this.#cover) this.#held += text;
    return this.#cover !== undefined;
  }

  /** Leaves the screen to something else, such as a question; until as many `resume`. */
  pause(): void {
    if (!this.#cover) return this.drawing.pause();
    this.#pauses += 1;
    this.#cover.suspend();
  }

  /** After `pause`. */
  resume(): void {
    if (!this.#cover) return this.drawing.resume();
    this.#pauses = Math.max(0, this.#pauses - 1);
    if (this.#pauses === 0) this.#cover.resume();
  }

  /** Runs `act` where the prompt is, and covers that again. */
  async uncovered(act: () => Promise<void>): Promise<void> {
    this.pause();
    try {
      await act();
    } finally {
      this.resume();
    }
  }

  /** Sends all keys to `taker`, with marks of pastes, until the returned function is called. */
  lendKeys(taker: (chunk: Buffer) => void): () => void {
    return this.keyboard.lend(taker, { raw: true });
  }

  /** Types `text` at the prompt. */
  type(text: string): void {
    if (text) this.keyboard.receive(Buffer.from(text));
  }

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
