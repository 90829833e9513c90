import type { Deployment } from "../lib/deploy";
import type { FleetReport, Report } from "../lib/report";
import { session } from "../lib/session";
import type { Statement } from "./_language";
import { interruptible, type RunOptions, runStatements } from "./evaluate";
import { isFleetReport, isReport, print, printError } from "./print";
import type { Out, View } from "./views/view";
import { follow } from "./views/view";
import type { Workspace } from "./workspace";

type AnyDeployment = Deployment<Report | FleetReport>;

/** What statements and dot-commands work with, at the prompt and in a playbook alike. */
export class Shell {
  /** What succeeded, as typed: what `.save` writes. */
  readonly transcript: string[] = [];
  /** The reports of the last deployments, those of the same statement together. */
  reports: readonly Report[] = [];
  /** Set by `.exit`. */
  ended = false;
  readonly #followed: ReturnType<typeof follow<AnyDeployment>>;

  constructor(
    readonly workspace: Workspace,
    readonly out: Out,
    viewOf: () => View,
  ) {
    this.#followed = follow<AnyDeployment>((listener) => session.onDeployment(listener), viewOf);
  }

  say(text: string): void {
    if (text) this.out.write(`${text}\n`);
  }

  sayError(error: unknown): void {
    const { scope } = this.workspace;
    const options = {
      mapPositions: (text: string) => this.workspace.mapPositions(text),
      names: () => scope.names(),
    };
    this.say(printError(error, options));
  }

  /** Loads what changed, and says what is worth saying. Throws what was wrong with it. */
  refresh(): void {
    const { notices, replaced, error } = this.workspace.refresh();
    for (const notice of notices) this.say(notice);
    for (const name of replaced)
      this.say(`${name} is now the one of the consfig again, which was loaded anew`);
    if (error) throw error;
  }

  /**
   * Runs `statements`; each deployment that one of them begins is over, and shown, before the next. The reports are in
   * the order in which deployments began.
   */
  async run(statements: readonly Statement[], options: RunOptions = {}): Promise<unknown> {
    const begun: AnyDeployment[] = [];
    const end = session.onDeployment((deployment) => void begun.push(deployment));
    try {
      return await runStatements(statements, this.workspace.scope, {
        ...options,
        each: async (statement, value) => {
          await interruptible(this.#followed.settled(begun), options.signal);
          if (begun.length > 0) this.reports = (await Promise.all(begun.splice(0))).flatMap(reportsOf);
          await options.each?.(statement, value);
        },
      });
    } finally {
      end();
    }
  }

  /** Deployments under way, those in the background too. */
  deployments(): AnyDeployment[] {
    return this.#followed.deployments();
  }

  /** All deployments that began so far are over and shown. */
  settled(): Promise<void> {
    return this.#followed.settled();
  }

  /** `value` as text, unless it is what a view has just shown. */
  shown(value: unknown): string | undefined {
    const reports = reportsOf(value);
    if (reports.length > 0 && reports.every((report) => this.reports.includes(report))) return undefined;
    return value === undefined ? undefined : print(value);
  }

  end(): void {
    this.#followed.end();
  }
}

const reportsOf = (value: unknown): Report[] =>
  isReport(value) ? [value] : isFleetReport(value) ? [...value.reports] : [];
