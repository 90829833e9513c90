import type { AnyDeployment } from "../lib/controller/session";
import type { Shell } from "./shell";

/** The signals by which a user or a CI system ends a run, with its exit code. */
export const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/** The exit code of a run whose output nobody reads any more: that of a process that SIGPIPE ends. */
export const OUTPUT_CLOSED = 141;

type Ending = keyof typeof SIGNALS | "closed output";

const codeOf = (ending: Ending): number => (ending === "closed output" ? OUTPUT_CLOSED : SIGNALS[ending]);

/**
 * Ctrl-C and SIGTERM in an unattended run: the first stops deployments after the running step, the second cancels that
 * step, the third ends the process, as does the first while nothing is deployed. That nobody reads the output any more is
 * as the first.
 */
export class Interrupts {
  readonly #controller = new AbortController();
  readonly signal = this.#controller.signal;
  #count = 0;
  #last: Ending | undefined;
  readonly #stopped = new Set<AnyDeployment>();
  /** An error that nothing caught. */
  failed = false;

  /** `exit` ends the process at once, with the given code. */
  constructor(
    private readonly shell: Pick<Shell, "deployments">,
    private readonly note: (text: string) => void,
    private readonly exit: (code: number) => void,
  ) {
    for (const signal of ON) process.on(signal, this.#receive);
  }

  /** The exit code, if the run was ended. */
  get code(): number | undefined {
    return this.#last && codeOf(this.#last);
  }

  /** The last line of a run that was ended: what still runs. Undefined for other runs. */
  async ending(): Promise<string | undefined> {
    if (!this.#last) return undefined;
    const ended = [...this.#stopped].filter(({ over }) => over);
    const reports = (await Promise.all(ended)).flatMap((each) => ("reports" in each ? each.reports : [each]));
    const detached = reports.filter(({ status }) => status === "detached").map(({ host }) => host);
    const left = [...new Set([...this.shell.deployments().flatMap(({ hosts }) => hosts), ...detached])];
    const why =
      this.#last === "closed output" ? "ended, as nobody reads its output" : `ended by ${this.#last}`;
    return left.length === 0
      ? `consfig: ${why}; no deployment is running`
      : `consfig: ${why}; still running on ${left.join(", ")}; see .log ${left.length === 1 ? left[0] : "HOST"}`;
  }

  close(): void {
    for (const signal of ON) process.off(signal, this.#receive);
  }

  /** Call when nobody reads the output any more. */
  outputClosed(): void {
    if (this.#last === undefined) this.#end("closed output");
  }

  readonly #receive = (signal: NodeJS.Signals): void => this.#end(signal as keyof typeof SIGNALS);

  #end(ending: Ending): void {
    this.#count += 1;
    this.#last = ending;
    const deployments = this.shell.deployments();
    if (deployments.length === 0 || this.#count > 2) return void this.#exit(codeOf(ending));
    for (const deployment of deployments) {
      this.#stopped.add(deployment);
      if (this.#count === 1) deployment.stop();
      else deployment.cancel();
    }
    if (this.#count === 1) this.note(`stopping after the running step; ${AGAIN[ending]} to cancel that step`);
    this.#controller.abort();
  }

  async #exit(code: number): Promise<void> {
    const ending = await this.ending();
    if (ending) this.note(ending);
    this.exit(code);
  }
}

const ON = Object.keys(SIGNALS) as (keyof typeof SIGNALS)[];

const AGAIN: Readonly<Record<Ending, string>> = {
  SIGINT: "press Ctrl-C again",
  SIGTERM: "send SIGTERM again",
  "closed output": "press Ctrl-C",
};
