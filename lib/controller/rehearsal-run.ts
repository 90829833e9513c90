import { randomBytes } from "node:crypto";
import { isAgentConnection } from "../agent/client/connection";
import { clone } from "../connection/clone";
import { Cancellation } from "../model/cancellation";
import type { Connection } from "../model/connection";
import type { DeployEvent } from "../model/events";
import { type Hop, hopAsCode } from "../model/hop";
import { agentIndex } from "../model/hop-chain";
import type { Host } from "../model/host";
import type { Rehearsal } from "../model/rehearsal";
import { type Report, Reporter, type StepReport } from "../model/report";
import { rehearsalBindable } from "./bound-plan";
import { CloneWatch } from "./clone-watch";
import { HostRun } from "./host-run";
import { countedChanges, fileChanges } from "./layer-changes";
import type { LeftOut } from "./leave-out";
import { prepareDeployment } from "./prepared-deployment";
import { changedFiles, rehearsedStates, secretFiles } from "./rehearsed";
import type { DeployRequest } from "./request";
import { session } from "./session";

/** `chain` through a clone of the host called `name`: before the agent, or else at the end. */
export function throughClone(chain: readonly Hop[], name: string): readonly Hop[] {
  const at = agentIndex(chain);
  return chain.toSpliced(at < 0 ? chain.length : at, 0, clone({ name }));
}

/** The part of `chain` that the controller opens. */
export const openedHere = (chain: readonly Hop[]): readonly Hop[] =>
  chain.slice(0, agentIndex(chain) + 1 || chain.length);

/** The rehearsal of one host: its deployment in a clone, which is thrown away afterwards. */
export class RehearsalRun {
  readonly cancellation = new Cancellation();
  readonly #deployment = randomBytes(6).toString("hex");
  readonly #reporter = new Reporter();
  #opened = 0;
  #watch: CloneWatch | undefined;
  #plan: Report | undefined;
  #states: Record<string, string> = {};
  #ended: DeployEvent | undefined;

  constructor(
    private readonly subject: Pick<Host, "name"> | Host,
    private readonly request: DeployRequest,
    private readonly leftOut: readonly LeftOut[],
    private readonly emit: (event: DeployEvent) => void,
  ) {}

  /** Rehearses the host; plans it where it cannot be cloned. Never rejects. */
  async perform(): Promise<Report> {
    const { name } = this.subject;
    const planning = this.#run({ plan: true, rehearsal: false });
    let hops: readonly Hop[];
    let end: () => Promise<void>;
    try {
      const { chain, prepared } = prepareDeployment(this.subject, this.request, this.leftOut);
      hops = throughClone(chain, `rehearsal-${this.#deployment}`);
      end = () => session.connections.end(openedHere(hops), prepared.model.name);
    } catch {
      // It says why.
      return planning.perform();
    }
    const report = await this.#rehearse(hops).finally(end);
    const reason = this.#watch ? undefined : noCloneReason(report);
    if (reason !== undefined) {
      const text = `${name} cannot be rehearsed: ${reason}; this is its plan instead`;
      this.emit({ host: name, deployment: this.#deployment, kind: "notice", text });
      return planning.perform();
    }
    if (this.#ended) this.emit(this.#ended);
    if (this.#plan && report.rehearsal) rehearsalBindable(report, this.request, this.#plan, this.#states);
    return report;
  }

  async refuse(error: Error): Promise<Report> {
    return this.#run({}).refuse(error);
  }

  #run(more: Partial<DeployRequest>): HostRun {
    const { cancellation } = this;
    return new HostRun(this.subject, { ...this.request, ...more }, this.leftOut, this.emit, {
      cancellation,
      deployment: this.#deployment,
    });
  }

  #rehearse(hops: readonly Hop[]): Promise<Report> {
    const { cancellation, subject, leftOut } = this;
    const began = performance.now();
    const request = { ...this.request, hops };
    return new HostRun(subject, request, leftOut, (event) => this.#observe(event), {
      cancellation,
      deployment: this.#deployment,
      before: async (connection) => {
        this.#opened = Math.round(performance.now() - began);
        // Of the host itself: in the clone runs only what is started at boot.
        const planned = { ...this.request, plan: true, rehearsal: false };
        [this.#plan, this.#watch] = await Promise.all([
          new HostRun(subject, planned, leftOut, () => {}, { cancellation }).perform(),
          CloneWatch.begin(connection),
        ]);
      },
      after: async (connection, emit) => {
        const rehearsal = await this.#found(connection);
        emit({ kind: "rehearsed", rehearsal });
      },
    }).perform();
  }

  /** The end is told once it is known whether a plan takes its place. */
  #observe(event: DeployEvent): void {
    this.#reporter.add(event);
    // The rehearsal says it in the end.
    if (event.kind === "notice" && event.text.startsWith(FAILED)) return;
    if (event.kind === "deployment-ended") this.#ended = event;
    else this.emit(event);
  }

  async #found(connection: Connection): Promise<Rehearsal> {
    const watch = this.#watch as CloneWatch;
    const units = await watch.started();
    const changes = await watch.changes();
    const inside = isAgentConnection(connection) ? connection.parent : connection;
    const steps = [...this.#reporter.steps];
    this.#states = await rehearsedStates(inside, changes, changedFiles(steps));
    const { shown, counted } = countedChanges(changes);
    const failures = steps.filter(({ status, failure }) => status === "failed" && failure);
    const limited = failures
      .filter(({ step }) => !failures.some(({ parent }) => parent === step))
      .map((step) => ({ desc: step.desc, limit: limitOf(step) }));
    return {
      ok: limited.every(({ limit }) => limit !== undefined) && units.every(({ healthy }) => healthy),
      changes: await fileChanges(watch.outside, shown, secretFiles(steps)),
      counted,
      units,
      notTried: [
        ...(watch.hasSystemd ? [] : ["services: no systemd runs in the clone"]),
        ...watch.failed.map((unit) => `${unit}: it does not start in the clone`),
        ...limited.flatMap(({ desc, limit }) => (limit === undefined ? [] : [`${desc}: ${limit}`])),
      ],
      cloneMs: this.#opened,
      memory: await watch.memory(),
    };
  }
}

/** What messages about the clone begin with. */
const FAILED = `${hopAsCode(clone())}: `;

/** Why the machine cannot be cloned, when that is why `report` failed. */
function noCloneReason({ failure }: Report): string | undefined {
  const [, reason] = failure?.name === "ConnectionFailed" ? failure.message.split(FAILED) : [];
  return reason;
}

/** What a clone does not allow, by what a step that tried it says. */
const LIMITS: readonly (readonly [said: RegExp, limit: string])[] = [
  [
    /(\/proc\/sys|\/sys\/|sysctl)[^\n]*Read-only file system|EROFS[^\n]*\/(proc\/sys|sys)\/|sysctl: permission denied on key/,
    "a clone has the kernel of its host, whose settings it cannot change",
  ],
  [
    /could not insert[^\n]*Operation not permitted|cannot set date|settimeofday|Failed to set time/,
    "a clone has the kernel of its host, whose modules and clock it cannot change",
  ],
  [
    /Network is unreachable|Temporary failure in name resolution|Could not resolve host|EAI_AGAIN|ENETUNREACH/,
    "a clone has a network of its own; only apt-get, git, curl and wget of root use that of the host",
  ],
  [/mounted with noexec or nodev/, "device files that are made in a clone do not work"],
];

const limitOf = ({ failure, output }: StepReport): string | undefined => {
  const said = [failure?.message, failure?.command?.stderr, output].join("\n");
  return LIMITS.find(([pattern]) => pattern.test(said))?.[1];
};
