import { inspect } from "node:util";
import { eseqprops, seqprops } from "../combinators";
import { InvalidArguments } from "../model/errors";
import type { DeployEvent } from "../model/events";
import { type Hop, hops as hopDefinitions, isHop } from "../model/hop";
import type { Chained } from "../model/hop-chain";
import { type Host, isApplication } from "../model/host";
import { type MaybePropApp, type PropApp, withoutNothings } from "../model/property";
import { type FleetReport, fleetReport, type Report } from "../model/report";
import { either, hop, problems, propapp, string } from "../model/schema";
import { HostRun, type Manner } from "./host-run";
import { failedIn, type LeftOut, leavingOut } from "./leave-out";
import { session } from "./session";

type Rest = readonly (Hop | readonly Hop[] | MaybePropApp)[];

const subjectSchema = either(string(), { type: "object", required: ["name", "applications"] });
const saidSchema = either(hop(), propapp());

/**
 * Makes the machine match its definition: the properties of `host`, then further applications. Hops given here stand in
 * place of the host's own. Nothing is thrown for what goes wrong on the way: the report says it.
 */
export function deploy<const R extends Rest>(host: Host, ...rest: R & Chained<R>): Deployment<Report>;
export function deploy<const R extends Rest>(
  hosts: readonly Host[],
  ...rest: R & Chained<R>
): Deployment<FleetReport>;
export function deploy(subject: Host | readonly Host[], ...rest: Rest): Deployment<Report | FleetReport> {
  return begin(subject, rest, itsOwn);
}

/**
 * As `deploy`, as far as a shell leads, where the hops end at one: the first property that needs an agent, and all that
 * stand behind it, are reported as skipped. Their facts are known.
 */
export function deployPosix<const R extends Rest>(host: Host, ...rest: R & Chained<R>): Deployment<Report>;
export function deployPosix<const R extends Rest>(
  hosts: readonly Host[],
  ...rest: R & Chained<R>
): Deployment<FleetReport>;
export function deployPosix(
  subject: Host | readonly Host[],
  ...rest: Rest
): Deployment<Report | FleetReport> {
  return begin(subject, rest, itsOwn, { asFarAsFits: true });
}

/** As `deploy`, but only the given applications are applied. `host` may be a mere name. */
export function deployThese<const R extends Rest>(
  host: Host | string,
  ...rest: R & Chained<R>
): Deployment<Report>;
export function deployThese<const R extends Rest>(
  hosts: readonly (Host | string)[],
  ...rest: R & Chained<R>
): Deployment<FleetReport>;
export function deployThese(
  subject: Host | string | readonly (Host | string)[],
  ...rest: Rest
): Deployment<Report | FleetReport> {
  return begin(subject, rest, (_host, more) => eseqprops(...more), { usualFacts: true });
}

/** Which applications of a host are to be applied. */
type Choice = (host: Pick<Host, "applications">, more: readonly PropApp[]) => PropApp;

const itsOwn: Choice = ({ applications }, more) =>
  more.length === 0 ? seqprops(...applications) : seqprops(...applications, eseqprops(...more));

function begin<R extends Report | FleetReport>(
  subject: Host | string | readonly (Host | string)[],
  rest: Rest,
  choice: Choice,
  manner: Manner = {},
): Deployment<R> {
  const many = Array.isArray(subject);
  const subjects = (many ? subject : [subject]) as readonly (Host | string)[];
  const said = withoutNothings(rest.flat() as PropApp[]) as (Hop | PropApp)[];
  const complaints = [
    ...subjects.flatMap((each) => (problems(subjectSchema, each).length > 0 ? [noSubject(each)] : [])),
    ...said.flatMap((each) => (problems(saidSchema, each).length > 0 ? [nothingSaid(each)] : [])),
  ];
  if (complaints.length > 0) throw new InvalidArguments(`deploy: ${complaints.join("; ")}`);
  const hops = said.filter(isHop);
  const more = said.filter(isApplication);
  const made = new Map(
    subjects.flatMap((each) => (typeof each === "object" && each.made ? [[each.name, each]] : [])),
  );
  const deployment = new Deployment<R>(
    subjects.map((each) => (typeof each === "string" ? each : each.name)),
    {
      many,
      hops,
      perform: (run, alter) =>
        run.perform(hops, (host) => alter(choice(host, more)), manner, made.get(run.host)),
    },
  );
  session.begin(deployment);
  return deployment;
}

const noSubject = (given: unknown): string =>
  `${shown(given)} is no host; it takes a host as defhost makes it, or a list of hosts`;

function nothingSaid(given: unknown): string {
  const name = nameOf(given);
  return name === undefined
    ? `${shown(given)} is neither a hop, such as via.ssh({ user: "root" }), nor a property, such as cmd.single("true")`
    : `${name} was not called; write ${name}(…)`;
}

/** As which a property or hop that was not called is written. */
function nameOf(given: unknown): string | undefined {
  if (typeof given !== "function") return undefined;
  if ("definition" in given) return (given.definition as { readonly name: string }).name;
  return hopDefinitions.get(given.name) ? `via.${given.name}` : undefined;
}

const shown = (given: unknown): string =>
  typeof given === "function"
    ? `a function (${given.name || "without a name"})`
    : inspect(given, { depth: 1, breakLength: Number.POSITIVE_INFINITY }).slice(0, 80);

/** What was asked for, so that it can be asked for again. */
interface Asked {
  readonly many: boolean;
  /** Those given to `deploy`, in place of the hosts' own. */
  readonly hops: readonly Hop[];
  perform(run: HostRun, alter: (application: PropApp) => PropApp): Promise<Report>;
}

/** One call of `deploy`: its events as they come, its reports in the end. Wait for it as for a promise. */
export class Deployment<R extends Report | FleetReport> implements PromiseLike<R> {
  readonly hosts: readonly string[];
  /** The hops that were given, in place of the hosts' own; none: each host has its own. */
  readonly hops: readonly Hop[];
  readonly #asked: Asked;
  /** What is not applied this time, by host. */
  readonly #leftOut: ReadonlyMap<string, readonly LeftOut[]>;
  readonly #runs: readonly HostRun[];
  readonly #events: DeployEvent[] = [];
  readonly #listeners = new Set<(event: DeployEvent) => void>();
  readonly #result: Promise<R>;
  #over = false;

  constructor(
    names: readonly string[],
    asked: Asked,
    leftOut: ReadonlyMap<string, readonly LeftOut[]> = new Map(),
  ) {
    const started = performance.now();
    const perform = (run: HostRun, name: string) =>
      asked.perform(run, (application) => leavingOut(application, leftOut.get(name) ?? []));
    this.hosts = names;
    this.hops = asked.hops;
    this.#asked = asked;
    this.#leftOut = leftOut;
    this.#runs = names.map((name) => new HostRun(name, (event) => this.#emit(event)));
    // Begun in the next turn, so that whoever called can subscribe first; the consfig is refreshed once for all.
    this.#result = Promise.resolve()
      .then(() => session.consfig?.refresh())
      .then((refresh) =>
        Promise.all(
          this.#runs.map((run, index) =>
            refresh?.error ? run.refuse(refresh.error) : perform(run, names[index] ?? ""),
          ),
        ),
      )
      .then((reports) => (asked.many ? fleetReport(reports, performance.now() - started) : reports[0]) as R)
      .finally(() => {
        this.#over = true;
        session.deployments.delete(this);
      });
  }

  /** Hears every event, those that were before too. Returns what ends that. */
  subscribe(listener: (event: DeployEvent) => void): () => void {
    for (const event of this.#events) listener(event);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** No further step is started; the running ones go on to their end. */
  stop(): void {
    for (const run of this.#runs) run.signal("stop");
  }

  /** The running steps are ended too. */
  cancel(): void {
    for (const run of this.#runs) run.signal("cancel");
  }

  /**
   * The same once more, on the hosts of `reports` only: what holds there already is left as it is. With `leaveOut`,
   * what failed in `reports` is skipped, as is what was left out before.
   */
  again(reports: readonly Report[], { leaveOut = false } = {}): Deployment<R> {
    const left = new Map(this.#leftOut);
    for (const report of leaveOut ? reports : []) {
      const more = failedIn(report, "left out, as you said after it failed");
      left.set(report.host, [...(left.get(report.host) ?? []), ...more]);
    }
    const names = this.hosts.filter((name) => reports.some(({ host }) => host === name));
    const deployment = new Deployment<R>(names, this.#asked, left);
    session.begin(deployment);
    return deployment;
  }

  get over(): boolean {
    return this.#over;
  }

  /** It is waited for by itself at the prompt. */
  then<A = R, B = never>(
    done?: ((result: R) => A | PromiseLike<A>) | null,
    failed?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#result.then(done, failed);
  }

  #emit(event: DeployEvent): void {
    this.#events.push(event);
    for (const listener of this.#listeners) listener(event);
  }
}

/** What a report has and a deployment has not: asked of it, that would be `undefined` without a word. */
for (const name of ["ok", "status", "changed", "failed", "skipped", "steps", "failure", "ms", "reports"]) {
  Object.defineProperty(Deployment.prototype, name, {
    get() {
      throw new InvalidArguments(
        `a deployment has no \`${name}\` before it is over; wait for its report: (await deploy(…)).${name}`,
      );
    },
  });
}
