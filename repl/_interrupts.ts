import type { AnyDeployment } from "../lib/controller/session";
import type { Shell } from "./shell";

/** The signals by which a user or a CI system ends a run, with its exit code. */
export const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;
type Ending = keyof typeof SIGNALS;

/**
 * Ctrl-C and SIGTERM in an unattended run: the first stops deployments after the running step, the second cancels that
 * step, the third ends the process, as does the first while nothing is deployed.
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
    for (const signal of Object.keys(SIGNALS) as Ending[]) process.on(signal, this.#receive);
  }

  /** The exit code, if a signal was received. */
  get code(): number | undefined {
    return this.#last && SIGNALS[this.#last];
  }

  /** The last line of a run that a signal has ended: what still runs. Undefined for other runs. */
  async ending(): Promise<string | undefined> {
    if (!this.#last) return undefined;
    const ended = [...this.#stopped].filter(({ over }) => over);
    const reports = (await Promise.all(ended)).flatMap((each) => ("reports" in each ? each.reports : [each]));
    const detached = reports.filter(({ status }) => status === "detached").map(({ host }) => host);
    const left = [...new Set([...this.shell.deployments().flatMap(({ hosts }) => hosts), ...detached])];
    return left.length === 0
      ? `consfig: ended by ${this.#last}; no deployment is running`
      : `consfig: ended by ${this.#last}; still running on ${left.join(", ")}; see .log ${left.length === 1 ? left[0] : "HOST"}`;
  }

  close(): void {
    for (const signal of Object.keys(SIGNALS) as Ending[]) process.off(signal, this.#receive);
  }

  readonly #receive = (signal: NodeJS.Signals): void => {
    this.#count += 1;
    this.#last = signal as Ending;
    const deployments = this.shell.deployments();
    if (deployments.length === 0 || this.#count > 2) return void this.#exit(SIGNALS[this.#last]);
    for (const deployment of deployments) {
      this.#stopped.add(deployment);
      if (this.#count === 1) deployment.stop();
      else deployment.cancel();
    }
    const again = signal === "SIGINT" ? "press Ctrl-C again" : "send SIGTERM again";
    if (this.#count === 1) this.note(`stopping after the running step; ${again} to cancel that step`);
    this.#controller.abort();
  };

  async #exit(code: number): Promise<void> {
    const ending = await this.ending();
    if (ending) this.note(ending);
    this.exit(code);
  }
}
