import type { Connection } from "../../model/connection";
import type { TargetContext } from "../context";
import type { Mount } from "../mounts";
import type { Answer } from "./batch";
import { Known } from "./known";
import { Look } from "./look";
import type { Changed, Question, Turn } from "./turn";

/** How long an act waits for the answers to what is asked ahead of its turn, while nothing is heard. */
const ACT_PATIENCE_MS = 1000;
/** How long a step waits so for an answer that was asked ahead: another command may keep it waiting. */
const PATIENCE_MS = 3000;
/** A longer answer, in bytes, is forgotten when it has been needed. */
const MOST_KEPT = 64 * 1024;

/**
 * What a host has answered ahead of the turn of the step that asks. An answer counts as often as it was asked for, for a
 * few seconds, and only until an act may have changed it.
 */
export class Answers {
  readonly #known = new Map<string, Known>();
  readonly #slow = new Set<string>();
  #look: Look | undefined;
  #mounts: readonly Mount[] | undefined;
  #acting = 0;
  /** The number of acts so far. */
  #acts = 0;
  #closed = false;

  /** Since the last look: whether something was asked in its turn, and whether an act has made answers void. */
  since = { asked: true, voided: false };

  constructor(
    private readonly connection: Connection,
    private readonly context: Pick<TargetContext, "signal" | "ran">,
  ) {}

  /** For a step whose turn has come. */
  readonly inTurn: Turn = {
    ask: async (question, live) => (await this.#take(question)) ?? this.#compared(question, await live()),
    act: (work, changed) => this.acting(work, changed),
  };

  /** For a step that is planned just before its turn: what it asks counts for the step itself, too. */
  readonly rehearsal: Turn = {
    ask: (question, live) => this.#rehearsed(question, live),
    act: (work) => work(),
  };

  /** Begins to ask ahead: `ask` is given what it asks with. Does nothing while something acts, or is asked ahead already. */
  look(ask: (look: Look) => Promise<unknown>): void {
    if (this.#look || this.#acting > 0 || this.#closed) return;
    this.since = { asked: false, voided: false };
    const look = new Look(this.#known, this.#slow, this.#mounts, this.connection, this.context);
    this.#look = look;
    void ask(look)
      .catch(() => {})
      .finally(() => this.#leave(look));
  }

  /** Does `work`, which acts. `changed` tells from its result what it has changed. */
  async acting<T>(work: () => Promise<T>, changed?: (result: T) => Changed): Promise<T> {
    this.#acting += 1;
    this.#acts += 1;
    let what: Changed;
    try {
      // Nothing is asked while something acts: it could keep a file system busy.
      const look = this.#look;
      await look?.answered(ACT_PATIENCE_MS);
      await this.#end(look);
      const result = await work();
      what = changed?.(result);
      return result;
    } finally {
      this.#acting -= 1;
      this.#forget(what);
    }
  }

  /** Ends what is being asked ahead, and asks nothing more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#end(this.#look);
    this.#known.clear();
  }

  /** The answer to `question`, if it was asked ahead of its turn and still counts. */
  async #take(question: Question): Promise<Answer | undefined> {
    const known = await this.#counting(question);
    if (known && known.uses > 0) {
      known.uses -= 1;
      const answer = await this.#answerOf(known);
      if (answer && (await this.#counting(question)) === known) {
        if (known.uses === 0 && answer.output.length > MOST_KEPT) this.#known.delete(question.script);
        return answer;
      }
    }
    this.since.asked = true;
    return undefined;
  }

  async #rehearsed(question: Question, live: () => Promise<Answer>): Promise<Answer> {
    const found = await this.#counting(question);
    const known = found && (await this.#answerOf(found));
    if (found && known && (await this.#counting(question)) === found) {
      found.uses = Math.max(found.uses, 1);
      return known;
    }
    this.since.asked = true;
    const acts = this.#acts;
    const answer = this.#compared(question, await live());
    if (acts === this.#acts && this.#acting === 0 && !question.isPassing) {
      const noted = new Known(question, this.rehearsal, Promise.resolve(answer));
      noted.settle(answer);
      this.#known.set(question.script, noted);
    }
    return answer;
  }

  /** `answer`, given now: where another one was given before, the host changes by itself, and nothing counts any more. */
  #compared({ script }: Question, answer: Answer): Answer {
    const known = this.#known.get(script)?.answered;
    if (known && (known.exit !== answer.exit || !known.output.equals(answer.output))) this.#forget(undefined);
    return answer;
  }

  async #counting({ script }: Question): Promise<Known | undefined> {
    await this.#look?.begun;
    const known = this.#known.get(script);
    return known?.isFresh && this.#acting === 0 ? known : undefined;
  }

  /** The answer that is known or comes soon. Undefined when it does not, or the deployment is cancelled first. */
  async #answerOf(known: Known): Promise<Answer | undefined> {
    if (known.answered) return known.answered;
    const look = this.#look;
    const { signal } = this.context;
    const { promise: aborted, resolve } = Promise.withResolvers<undefined>();
    const abort = () => resolve(undefined);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    // What is waited for may itself wait for what this step does.
    const late = look?.answered(PATIENCE_MS).then(async () => {
      if (!known.answered) await this.#end(look);
      return known.answered;
    });
    return Promise.race([known.answer, aborted, ...(late ? [late] : [])])
      .catch(() => undefined)
      .finally(() => signal.removeEventListener("abort", abort));
  }

  async #end(look: Look | undefined): Promise<void> {
    await look?.end();
    this.#leave(look);
  }

  #leave(look: Look | undefined): void {
    if (!look || this.#look !== look) return;
    this.#look = undefined;
    this.#mounts = look.mounts;
  }

  #forget(changed: Changed): void {
    const mounts = this.#mounts;
    if (!changed) this.#mounts = undefined;
    for (const [script, known] of this.#known) {
      if (known.outlives(changed, mounts)) continue;
      this.#known.delete(script);
      if (known.uses > 0) this.since.voided = true;
    }
  }
}
