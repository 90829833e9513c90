import { type AnyDeployment, session } from "../lib/controller/session";
import type { Hop } from "../lib/model/hop";
import { hosts } from "../lib/model/host";
import { fleetReport, type Report } from "../lib/model/report";
import type { Statement } from "./_language";
import { memberNames, valueNamed } from "./_members";
import { CommandError } from "./commands/error";
import { Diagnostics } from "./diagnostics";
import { interruptible, type RunOptions, runStatements } from "./evaluate";
import { isFleetReport, isReport, print, printError } from "./print";
import type { Terminal } from "./terminal";
import { follow, type Out, type View } from "./views/view";
import type { Workspace } from "./workspace";

/** Deployments of which hosts failed, or were refused, with the reports of those. */
export type Failures = readonly { readonly deployment: AnyDeployment; readonly reports: readonly Report[] }[];

export interface ShellRunOptions extends RunOptions {
  /** Somebody can be asked what to do when a deployment failed. */
  readonly attended?: boolean;
}

/** What statements and dot-commands work with, at the prompt and in a playbook alike. */
export class Shell {
  /** What succeeded, as typed: what `.save` writes. */
  readonly transcript: string[] = [];
  /** The reports of the last deployments, those of the same statement together. */
  reports: readonly Report[] = [];
  /** What failed in the last statement in which something did, less what went well since. */
  failures: Failures = [];
  /** As `failures`, with what went well since. */
  lastFailures: Failures = [];
  /** Asks what to do about `failures`. Undefined: nobody is there to be asked. */
  offerChoices: ((signal: AbortSignal) => Promise<void>) | undefined;
  /** Where a person sits. */
  terminal: Terminal | undefined;
  /** Set by `.exit`. */
  ended = false;
  readonly diagnostics: Diagnostics;
  /** Reports of deployments that were made again, each with the report that took its place. */
  readonly #renewed = new WeakMap<Report, Report>();
  /** What was shown of the statements that run, or ran last. */
  #shown = new Set<Report>();
  readonly #followed: ReturnType<typeof follow<AnyDeployment>>;

  constructor(
    readonly workspace: Workspace,
    readonly out: Out,
    viewOf: () => View,
  ) {
    this.diagnostics = new Diagnostics(
      workspace.consfig.root,
      (text) => this.say(text),
      () => session.deployments.size > 0,
    );
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
      members: (chain: string) => memberNames(valueNamed(chain, scope)),
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
   * the order in which deployments began. The value of a deployment that was made again is the last report.
   */
  async run(
    statements: readonly Statement[],
    { attended = false, ...options }: ShellRunOptions = {},
  ): Promise<unknown> {
    const begun: AnyDeployment[] = [];
    this.#shown = new Set();
    const end = session.onDeployment((deployment) => void begun.push(deployment));
    try {
      const value = await runStatements(statements, this.workspace.scope, {
        ...options,
        each: async (statement, value) => {
          const failed = begun.length > 0 && (await this.#over(begun, options.signal)).length > 0;
          if (failed && attended) await this.offerChoices?.(options.signal ?? new AbortController().signal);
          begun.length = 0;
          await options.each?.(statement, value);
        },
      });
      return this.#latest(value);
    } finally {
      end();
    }
  }

  /** Makes the deployments of `failures` again; whatever has their reports has the new ones then. Gives what fails now. */
  async again(
    failures: Failures,
    { leaveOut = false, signal }: { leaveOut?: boolean; signal?: AbortSignal } = {},
  ): Promise<Failures> {
    const before = this.reports;
    const failed = await this.#over(
      failures.map(({ deployment, reports }) => deployment.again(reports, { leaveOut })),
      signal,
    );
    const now = new Map(this.reports.map((report) => [report.host, report]));
    const kept = before.map((report) => now.get(report.host) ?? report);
    for (const old of failures.flatMap(({ reports }) => reports)) {
      const latest = now.get(old.host);
      if (latest) this.#renewed.set(old, latest);
    }
    this.reports = kept.length > 0 ? kept : this.reports;
    this.workspace.scope.renew((value) => this.#latest(value));
    return failed;
  }

  /** Waits for `begun`, and remembers what came of it. */
  async #over(begun: readonly AnyDeployment[], signal: AbortSignal | undefined): Promise<Failures> {
    await interruptible(this.#followed.settled(begun), signal);
    const all = await Promise.all(
      begun.map(async (deployment) => ({ deployment, reports: reportsOf(await deployment) })),
    );
    this.reports = all.flatMap(({ reports }) => reports);
    for (const report of this.reports) this.#shown.add(report);
    const failed = all
      .map(({ deployment, reports }) => ({ deployment, reports: reports.filter(hasFailed) }))
      .filter(({ reports }) => reports.length > 0);
    const well = new Set(this.reports.filter(({ ok }) => ok).map(({ host }) => host));
    const stillFailed = this.failures
      .map(({ deployment, reports }) => ({
        deployment,
        reports: reports.filter(({ host }) => !well.has(host)),
      }))
      .filter(({ reports }) => reports.length > 0);
    this.failures = failed.length > 0 ? failed : stillFailed;
    if (failed.length > 0) this.lastFailures = failed;
    return failed;
  }

  /** `value`, or the report that took its place. */
  #latest(value: unknown): unknown {
    const now = (report: Report): Report => {
      const newer = this.#renewed.get(report);
      return newer ? now(newer) : report;
    };
    if (isReport(value)) return now(value);
    if (!isFleetReport(value) || !value.reports.some((report) => this.#renewed.has(report))) return value;
    return fleetReport(value.reports.map(now), value.ms);
  }

  /** How `host`, by whichever of its names, is reached. Throws `CommandError` when nobody has said. */
  hopsTo(host: string): readonly Hop[] {
    const failed = this.failures.find(({ reports }) => reports.some((report) => report.host === host));
    const given = failed && failed.deployment.hops.length > 0 ? failed.deployment.hops : undefined;
    const open = () => session.connections.open().find((each) => each.host === host)?.hops;
    const hops = given ?? hosts.get(host)?.deploy ?? open();
    if (hops) return hops;
    throw new CommandError(`it is not known how ${host} is reached; give it { deploy: […] } in defhost`);
  }

  /** Deployments under way, those in the background too. */
  deployments(): AnyDeployment[] {
    return this.#followed.deployments();
  }

  /** All deployments that began so far are over and shown. */
  settled(): Promise<void> {
    return this.#followed.settled();
  }

  /** `value` as text, unless it is what a view has shown while it came to be. */
  shown(value: unknown): string | undefined {
    const reports = reportsOf(value);
    if (reports.length > 0 && reports.every((report) => this.#shown.has(report))) return undefined;
    return value === undefined ? undefined : print(value);
  }

  end(): void {
    this.diagnostics.close();
    this.#followed.end();
  }
}

/** What somebody stopped has not failed. */
const hasFailed = ({ ok, status }: Report): boolean => !ok && (status === "failed" || status === "refused");

const reportsOf = (value: unknown): Report[] =>
  isReport(value) ? [value] : isFleetReport(value) ? [...value.reports] : [];
