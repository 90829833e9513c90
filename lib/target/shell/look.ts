import { setTimeout as pause } from "node:timers/promises";
import type { Connection } from "../../model/connection";
import { PlanEnds } from "../../model/plan";
import type { Execution, TargetContext } from "../context";
import { type Mount, mountsIn } from "../mounts";
import { traceCommand } from "../trace";
import { type Answer, Questions } from "./batch";
import { runOver } from "./exec";
import { Known } from "./known";
import type { Question, Turn } from "./turn";

/** How long nothing is asked before the rest of a look is given up: it waits for something else. */
const QUIET_MS = 5;
/** How often one step asks the same ahead of its turn: what asks again and again waits for a change. */
const MOST_REPEATED = 2;

/** Questions asked ahead of their turn, many with one command. */
export class Look {
  /** Resolves when what is asked first has been put together. */
  readonly begun = new Promise<void>((begun) => setImmediate(begun));
  /** The mounts of the host; undefined where it does not list them, and until they are known. */
  mounts: readonly Mount[] | undefined;
  readonly #known: Map<string, Known>;
  readonly #files: Questions;
  readonly #commands: Questions;
  /** Commands that nobody else may see in the list of processes. */
  readonly #hidden: Questions;
  readonly #end = new AbortController();
  readonly #waiting = new Set<Promise<unknown>>();
  /** Those who wait for all answers, by their patience. */
  readonly #answered = new Map<number, Promise<void>>();
  /** When something was heard last, or asked; `Infinity` until the host begins to answer. */
  #heardAt = Number.POSITIVE_INFINITY;
  #asksMounts: boolean;

  /**
   * `known`: all that was asked. `slow`: commands that are not asked ahead, because they took too long when they were. This
   * adds to both.
   */
  constructor(
    known: Map<string, Known>,
    private readonly slow: Set<string>,
    mounts: readonly Mount[] | undefined,
    connection: Connection,
    { signal, ran }: Pick<TargetContext, "signal" | "ran">,
  ) {
    this.#known = known;
    this.mounts = mounts;
    this.#asksMounts = mounts === undefined;
    const context = { signal: AbortSignal.any([signal, this.#end.signal]), ...(ran && { ran }) };
    const questions = (how: Partial<Execution>, apart: boolean) =>
      new Questions((script, shown, { limit, heard }) => {
        const begun = () => this.#hear();
        const output = (stream: "stdout" | "stderr", text: string) => {
          this.#hear();
          if (stream === "stdout") heard?.(text);
        };
        const whole: Execution = { ...how, input: undefined, env: undefined, shown, limit, begun, output };
        return traceCommand(context, shown, () => runOver(connection, script, whole, context));
      }, apart);
    this.#files = questions({ looks: true }, false);
    // A command may take its time: it must not keep the other answers waiting.
    this.#commands = questions({}, true);
    this.#hidden = questions({ hidden: true }, true);
  }

  /** For one step, whose turn has not come: it is ended at its first act. */
  turn(): Turn {
    const repeated = new Map<string, number>();
    return {
      ask: async (question) => {
        const { script, isPassing, isCommand } = question;
        const times = (repeated.get(script) ?? 0) + 1;
        repeated.set(script, times);
        if (times > MOST_REPEATED) throw new PlanEnds("it waits for a change");
        if (isPassing) throw new PlanEnds("the answer is not kept");
        if (isCommand && this.slow.has(script)) throw new PlanEnds("the answer takes too long");
        return this.#ask(question);
      },
      act: () => Promise.reject(new PlanEnds("its turn has not come")),
    };
  }

  /** Resolves when everything is answered, or nothing was heard for `patience` milliseconds. Many wait, for the same. */
  answered(patience: number): Promise<void> {
    const shared =
      this.#answered.get(patience) ??
      this.#allAnswered(patience).finally(() => this.#answered.delete(patience));
    this.#answered.set(patience, shared);
    return shared;
  }

  async #allAnswered(patience: number): Promise<void> {
    while (this.#waiting.size > 0) {
      const timer = new AbortController();
      const silent = this.#silence(patience, timer.signal);
      const late = await Promise.race([Promise.allSettled(this.#waiting).then(() => false), silent]);
      timer.abort();
      if (late) return;
      if (this.#waiting.size === 0) await pause(QUIET_MS);
    }
  }

  /** Ends it: what is not answered now is not asked any more, and commands that still run are ended. */
  async end(): Promise<void> {
    for (const { running } of [this.#commands, this.#hidden]) for (const each of running) this.slow.add(each);
    this.#end.abort(new PlanEnds("its turn has come"));
    await Promise.allSettled(this.#waiting);
  }

  /** Resolves to true once nothing was heard for `patience`. The time before the host began does not count. */
  async #silence(patience: number, signal: AbortSignal): Promise<boolean> {
    const left = () => Math.min(patience, this.#heardAt + patience - performance.now());
    while (!signal.aborted && left() > 0) await pause(left(), undefined, { signal }).catch(() => {});
    return true;
  }

  #hear(): void {
    this.#heardAt = performance.now();
  }

  async #ask(question: Question): Promise<Answer> {
    const { script } = question;
    const found = this.#known.get(script);
    if (found?.isFresh) {
      found.uses = found.round === this ? found.uses + 1 : 1;
      found.round = this;
      return found.answer;
    }
    if (this.#end.signal.aborted) throw this.#end.signal.reason;
    const { promise: answer, ...asked } = Promise.withResolvers<Answer>();
    const known = new Known(question, this, answer);
    this.#known.set(script, known);
    this.#wait(this.#put(question, known)).then(
      (answered) => {
        known.settle(answered);
        asked.resolve(answered);
      },
      (error) => {
        if (this.#known.get(script) === known) this.#known.delete(script);
        asked.reject(error);
      },
    );
    return answer;
  }

  async #put(question: Question, known: Known): Promise<Answer> {
    const { script, shown, file, isCommand, isHidden, limit } = question;
    if (isCommand) return (isHidden ? this.#hidden : this.#commands).ask(script, shown, limit);
    if (file !== undefined) void this.#askMounts();
    const where = file === undefined ? "printf '\\0'" : `where ${file}`;
    const { exit, output } = await this.#files.ask(`${where}\n${script}`, shown, limit);
    const end = output.indexOf(0);
    if (end > 0) known.place = output.toString("utf8", 0, end);
    return { exit, output: output.subarray(end + 1) };
  }

  async #askMounts(): Promise<void> {
    if (!this.#asksMounts) return;
    this.#asksMounts = false;
    const asked = this.#files.ask("cat /proc/self/mountinfo", "look at the mounts");
    const { exit, output } = await this.#wait(asked).catch(() => ({ exit: 1, output: Buffer.alloc(0) }));
    if (exit === 0) this.mounts = mountsIn(output.toString("utf8"));
  }

  async #wait<T>(asked: Promise<T>): Promise<T> {
    this.#waiting.add(asked);
    if (this.#heardAt < Number.POSITIVE_INFINITY) this.#hear();
    try {
      return await asked;
    } finally {
      this.#waiting.delete(asked);
    }
  }
}
