import { deployPlan } from "../lib/controller/deploy";
import { type Again, type AnyDeployment, session } from "../lib/controller/session";
import type { Hop } from "../lib/model/hop";
import { hosts } from "../lib/model/host";
import { type FleetReport, fleetReport, type Report } from "../lib/model/report";
import { ConsfigLoadError } from "../lib/source/loadError";
import type { Statement } from "./_language";
import { fitted } from "./_layout";
import { memberNames, valueNamed } from "./_members";
import { CommandError } from "./commands/error";
import { Diagnostics } from "./diagnostics";
import { interruptible, type RunOptions, runStatements } from "./evaluate";
import { isFleetReport, isReport, print, printError } from "./print";
import type { Terminal } from "./terminal";
import { follow, type Out, type ViewOf } from "./views/view";
import { WatchLines } from "./views/watch";
import type { Workspace } from "./workspace";

/** Deployments that failed or were refused on some hosts, with the reports of those hosts. */
export type Failures = readonly { readonly deployment: AnyDeployment; readonly reports: readonly Report[] }[];

export interface ShellRunOptions extends RunOptions {
  /** The user can be asked what to do about a failed deployment. */
  readonly attended?: boolean;
}

/** The state that statements and dot-commands share, at the prompt and in a playbook. */
export class Shell {
  /** The inputs that succeeded, with all their deployments: `.save` writes them. */
  readonly transcript: string[] = [];
  /** Why the latest files of the consfig are not in use. */
  #loadError: ConsfigLoadError | undefined;
  /** The last input if a deployment of it failed: once a retry succeeds, it has succeeded. */
  #failedInput: string | undefined;
  /** The deployments of the running or last statements that did not succeed, retries considered. */
  #unsuccessful = false;
  /** The reports of the last statement that deployed. */
  reports: readonly Report[] = [];
  /** Failures of the last statement that had any, without hosts that have succeeded since. */
  failures: Failures = [];
  /** Like `failures`, including hosts that have succeeded since. */
  lastFailures: Failures = [];
  /** Asks the user what to do about `failures`. Undefined without a user. */
  offerChoices: ((signal: AbortSignal) => Promise<void>) | undefined;
  /** The dot-command that a word without a dot may mean. */
  commandMeant: (word: string) => string | undefined = () => undefined;
  /** The user's terminal, if there is one. */
  terminal: Terminal | undefined;
  /** Set by `.exit`. */
  ended = false;
  readonly diagnostics: Diagnostics;
  /** The report of each retried deployment, mapped to the report of its retry. */
  readonly #retried = new WeakMap<Report, Report>();
  /** The reports that views have shown for the current or last statements. */
  #shown = new Set<Report>();
  readonly #endWatching: () => void;
  readonly #followed: ReturnType<typeof follow<AnyDeployment>>;

  constructor(
    readonly workspace: Workspace,
    readonly out: Out,
    viewOf: ViewOf,
  ) {
    this.diagnostics = new Diagnostics(
      workspace.consfig.root,
      (text) => this.print(text),
      () => session.deployments.size > 0,
    );
    this.#endWatching = session.onWatch((watch) => {
      if (watch.silent) return;
      const lines = new WatchLines();
      watch.subscribe((seen) => this.print(lines.line(seen)));
    });
    session.typed = (fn) => typedFunctions().captured(fn, workspace);
    this.#followed = follow<AnyDeployment>((listener) => session.onDeployment(listener), viewOf);
  }

  print(text: string): void {
    if (text) this.out.write(`${text}\n`);
  }

  /** The nouns of properties: in scope also while the consfig fails to load. */
  #nouns(): Record<string, unknown> {
    return this.workspace.require("consfigurator/properties") as Record<string, unknown>;
  }

  readonly #builtins = {
    has: (name: string) => Object.hasOwn(this.#nouns(), name),
    get: (name: string) => this.#nouns()[name],
  };

  printError(error: unknown): void {
    const { scope } = this.workspace;
    const options = {
      mapPositions: (text: string) => this.workspace.mapPositions(text),
      names: () => [...new Set([...scope.names(), ...Object.keys(this.#nouns())])],
      command: (word: string) => this.commandMeant(word),
      members: (chain: string) => memberNames(valueNamed(chain, scope) ?? valueNamed(chain, this.#builtins)),
      loadError: this.#loadError,
    };
    this.print(printError(error, options));
  }

  /** Loads changed files, and prints notices. Throws load errors. */
  refresh(): void {
    const { notices, replaced, error } = this.workspace.refresh();
    this.#loadError = error instanceof ConsfigLoadError ? error : undefined;
    const again = replaced.map((name) => `${name} comes from the consfig again: its file was reloaded`);
    for (const text of [...notices, ...again]) this.print(fitted(text).join("\n"));
    if (error) throw error;
  }

  /**
   * Runs `statements`; every deployment that a statement starts has finished, and is shown, before the next statement.
   * The reports are in the order in which deployments started. The value of a retried deployment is its latest report.
   */
  async run(
    statements: readonly Statement[],
    { attended = false, ...options }: ShellRunOptions = {},
  ): Promise<unknown> {
    const started: AnyDeployment[] = [];
    this.#shown = new Set();
    this.#unsuccessful = false;
    const end = session.onDeployment((deployment) => void started.push(deployment));
    try {
      const value = await runStatements(statements, this.workspace.scope, {
        ...options,
        afterEach: async (statement, value) => {
          if (started.length > 0) {
            const failed = await this.#finish(started, options.signal);
            if (failed.length > 0 && attended)
              await this.offerChoices?.(options.signal ?? new AbortController().signal);
            this.#unsuccessful ||= !this.reports.every(({ ok }) => ok);
          }
          started.length = 0;
          await options.afterEach?.(statement, value);
        },
      });
      return this.#latest(value);
    } finally {
      end();
    }
  }

  /** Adds `input`, which has just run, to the transcript, unless one of its deployments did not succeed. */
  remember(input: string): void {
    if (this.#unsuccessful) this.#failedInput = input;
    else this.transcript.push(input);
  }

  /** Retries `failures`; variables that hold their reports get the new ones. Returns what still fails. */
  retry(
    failures: Failures,
    { signal, ...how }: Pick<Again, "leaveOut" | "accept"> & { readonly signal?: AbortSignal } = {},
  ): Promise<Failures> {
    return this.#replace(
      failures,
      failures.map(({ deployment, reports }) => deployment.again(reports, how)),
      signal,
    );
  }

  /** Plans `failures` anew. Returns their plans. */
  async replan(failures: Failures, signal: AbortSignal): Promise<(Report | FleetReport)[]> {
    const planning = failures.map(({ deployment, reports }) => deployment.again(reports, { plan: true }));
    await this.#finish(planning, signal);
    return Promise.all(planning);
  }

  /** Does what `plans` say instead of `failures`, as `retry` does. Throws `InvalidArguments` when one is not complete. */
  deployInstead(
    failures: Failures,
    plans: readonly (Report | FleetReport)[],
    signal: AbortSignal,
  ): Promise<Failures> {
    return this.#replace(
      failures,
      plans.map((plan) => deployPlan(plan)),
      signal,
    );
  }

  /** Waits for `deployments`, which replace those of `failures`. */
  async #replace(
    failures: Failures,
    deployments: readonly AnyDeployment[],
    signal: AbortSignal | undefined,
  ): Promise<Failures> {
    const before = this.reports;
    const failed = await this.#finish(deployments, signal);
    const newer = new Map(this.reports.map((report) => [report.host, report]));
    const merged = before.map((report) => newer.get(report.host) ?? report);
    for (const old of failures.flatMap(({ reports }) => reports)) {
      const latest = newer.get(old.host);
      if (latest) this.#retried.set(old, latest);
    }
    this.reports = merged.length > 0 ? merged : this.reports;
    this.workspace.scope.mapValues((value) => this.#latest(value));
    if (this.#failedInput !== undefined && this.reports.every(({ ok }) => ok)) {
      this.transcript.push(this.#failedInput);
      this.#failedInput = undefined;
    }
    return failed;
  }

  /** Waits for `deployments`, and records their reports and failures. */
  async #finish(deployments: readonly AnyDeployment[], signal: AbortSignal | undefined): Promise<Failures> {
    await interruptible(this.#followed.settled(deployments), signal);
    const repairable = deployments.filter(({ adHoc }) => adHoc === undefined);
    const all = await Promise.all(
      repairable.map(async (deployment) => ({ deployment, reports: reportsOf(await deployment) })),
    );
    this.reports = all.flatMap(({ reports }) => reports);
    for (const report of this.reports) this.#shown.add(report);
    const failed = all
      .map(({ deployment, reports }) => ({ deployment, reports: reports.filter(hasFailed) }))
      .filter(({ reports }) => reports.length > 0);
    const succeeded = new Set(
      this.reports.filter(({ ok, plan, rehearsal }) => ok && !plan && !rehearsal).map(({ host }) => host),
    );
    const stillFailed = this.failures
      .map(({ deployment, reports }) => ({
        deployment,
        reports: reports.filter(({ host }) => !succeeded.has(host)),
      }))
      .filter(({ reports }) => reports.length > 0);
    this.failures = failed.length > 0 ? failed : stillFailed;
    if (failed.length > 0) this.lastFailures = failed;
    return failed;
  }

  /** `value`, with reports replaced by those of their retries. */
  #latest(value: unknown): unknown {
    const latest = (report: Report): Report => {
      const newer = this.#retried.get(report);
      return newer ? latest(newer) : report;
    };
    if (isReport(value)) return latest(value);
    if (!isFleetReport(value) || !value.reports.some((report) => this.#retried.has(report))) return value;
    return fleetReport(value.reports.map(latest), value.ms);
  }

  /** Records the reports of `deployment`, which has finished, for `.report`, `.why` and `.retry`. */
  finished(deployment: AnyDeployment, reports: readonly Report[]): void {
    this.reports = reports;
    const failed = reports.filter(hasFailed);
    if (failed.length === 0) return;
    this.failures = [{ deployment, reports: failed }];
    this.lastFailures = this.failures;
  }

  /** The hops to `host`. Throws `CommandError` if none are known. */
  hopsTo(host: string): readonly Hop[] {
    const failed = this.failures.find(({ reports }) => reports.some((report) => report.host === host));
    const given = failed && failed.deployment.hops.length > 0 ? failed.deployment.hops : undefined;
    const open = () => session.connections.open().find((each) => each.host === host)?.hops;
    const hops = given ?? hosts.get(host)?.deploy ?? open();
    if (hops) return hops;
    throw new CommandError(`no hops are known for ${host}; add { deploy: […] } to its defhost()`);
  }

  /** The running deployments, including those in the background. */
  deployments(): AnyDeployment[] {
    return this.#followed.deployments();
  }

  /** Resolves when all deployments started so far have finished and are shown. */
  settled(): Promise<void> {
    return this.#followed.settled();
  }

  /** `value` as text; undefined if views have shown it already. */
  shown(value: unknown): string | undefined {
    const reports = reportsOf(value);
    if (reports.length > 0 && reports.every((report) => this.#shown.has(report))) return undefined;
    return value === undefined ? undefined : print(value);
  }

  end(): void {
    this.diagnostics.close();
    session.typed = undefined;
    this.#followed.end();
    this.#endWatching();
  }
}

/** Loaded on first use. */
const typedFunctions = () => require("./_typed-functions") as typeof import("./_typed-functions");

/** Stopped and cancelled deployments have not failed, and plans and rehearsals cannot: they say what would. */
const hasFailed = ({ ok, status, plan, rehearsal }: Report): boolean =>
  !ok && !plan && !rehearsal && (status === "failed" || status === "refused");

const reportsOf = (value: unknown): Report[] =>
  isReport(value) ? [value] : isFleetReport(value) ? [...value.reports] : [];
