import type { Failure } from "../../lib/model/errors";
import type { DeployEvent, StepStatus } from "../../lib/model/events";
import type { CommandReport, Report } from "../../lib/model/report";
import { hopProgress } from "./_hopProgress";
import { megabytes } from "./_units";

/** One step as a view shows it. */
export interface Step {
  readonly step: number;
  readonly property: string;
  readonly desc: string;
  readonly site: string;
  readonly depth: number;
  readonly children: Step[];
  status: StepStatus | "running" | "unfinished";
  /** When it began, as `Date.now()`. */
  readonly began: number;
  ms: number;
  reason: string | undefined;
  failure: Failure | undefined;
  output: string;
  /** What it printed last, while that is not part of its output. */
  says: string | undefined;
  /** Told only by deployments that are verbose. */
  readonly commands: CommandReport[];
}

/** One host as a view shows it. */
export interface HostTree {
  readonly host: string;
  readonly began: number;
  /** How many steps are announced; fewer or more may come. */
  announced: number;
  hops: readonly string[];
  /** What happens between `deploy` and the first step. */
  progress: string;
  readonly notices: string[];
  /** Everything there is to know is shown. */
  verbose: boolean;
  /** The hops that are open, and what was sent. */
  readonly way: string[];
  /** Those that were run between the steps. */
  readonly commands: CommandReport[];
  readonly roots: Step[];
  readonly steps: Map<number, Step>;
  /** The step that spoke last, while it runs. */
  current: Step | undefined;
  status: Report["status"] | "running";
  failure: Failure | undefined;
  ms: number;
}

/** The hosts of one deployment or of several, in the order in which they were first heard of. */
export class Trees {
  readonly #hosts = new Map<string, HostTree>();

  constructor(private readonly now: () => number = Date.now) {}

  get hosts(): HostTree[] {
    return [...this.#hosts.values()];
  }

  add(event: DeployEvent): HostTree {
    const key = `${event.deployment} ${event.host}`;
    let tree = this.#hosts.get(key);
    if (!tree) {
      tree = emptyTree(event.host, this.now());
      this.#hosts.set(key, tree);
    }
    update(tree, event, this.now());
    return tree;
  }
}

/** The tree of a report, as its events would have made it. */
export function treeOf(report: Report): HostTree {
  const tree = emptyTree(report.host, 0);
  for (const { parent, ...said } of report.steps) {
    const { step, property, desc, site } = said;
    addStep(tree, { step, property, desc, site, ...(parent !== undefined && { parent }) }, 0);
    const added = tree.steps.get(step);
    if (added) Object.assign(added, { ...said, depth: added.depth });
  }
  const { status, failure, ms, commands = [] } = report;
  const verbose = report.commands !== undefined;
  tree.commands.push(...commands.filter(({ step }) => step === undefined));
  return Object.assign(tree, { verbose, status, failure, ms });
}

const emptyTree = (host: string, began: number): HostTree => ({
  host,
  began,
  announced: 0,
  hops: [],
  progress: "",
  notices: [],
  verbose: false,
  way: [],
  commands: [],
  roots: [],
  steps: new Map(),
  current: undefined,
  status: "running",
  failure: undefined,
  ms: 0,
});

function update(tree: HostTree, event: DeployEvent, now: number): void {
  switch (event.kind) {
    case "deployment-started":
      Object.assign(tree, { announced: event.steps, hops: event.hops, verbose: event.verbose ?? false });
      return;
    case "hop-opening":
      tree.progress = `connecting ${event.hop}`;
      return;
    case "hop-opened":
      tree.progress = event.hop.startsWith("via.agent(") ? "starting a worker" : "";
      tree.way.push(hopProgress(event));
      return;
    case "upload":
      tree.progress =
        event.sent < event.total
          ? `sending ${event.what}, ${megabytes(event.sent)} of ${megabytes(event.total)} MB`
          : "";
      if (event.sent === event.total) tree.way.push(hopProgress(event));
      return;
    case "waiting":
      tree.progress = event.reason;
      return;
    case "notice":
      tree.notices.push(event.text);
      return;
    case "step-started":
      tree.progress = "";
      addStep(tree, event, now);
      return;
    case "step-output": {
      const step = tree.steps.get(event.step);
      if (!step) return;
      step.output += event.text;
      step.says = undefined;
      tree.current = step;
      return;
    }
    case "command-ran": {
      const { step, command, exit, ms } = event;
      const { commands } = (step === undefined ? undefined : tree.steps.get(step)) ?? tree;
      commands.push({ step, command, exit, ms });
      return;
    }
    case "step-preview": {
      const step = tree.steps.get(event.step);
      if (step) step.says = event.text;
      tree.current = step;
      return;
    }
    case "step-ended": {
      const step = tree.steps.get(event.step);
      if (!step) return;
      Object.assign(step, {
        status: event.status,
        ms: event.ms,
        reason: event.reason,
        failure: event.failure,
      });
      if (tree.current === step) tree.current = undefined;
      return;
    }
    case "deployment-ended":
      Object.assign(tree, { status: event.status, failure: event.failure, ms: event.ms, current: undefined });
      for (const step of tree.steps.values()) if (step.status === "running") step.status = "unfinished";
  }
}

type Started = Pick<
  Extract<DeployEvent, { kind: "step-started" }>,
  "step" | "parent" | "property" | "desc" | "site"
>;

function addStep(tree: HostTree, { step, parent, property, desc, site }: Started, now: number): void {
  const above = parent === undefined ? undefined : tree.steps.get(parent);
  const added: Step = {
    step,
    property,
    desc,
    site,
    depth: above ? above.depth + 1 : 0,
    children: [],
    status: "running",
    began: now,
    ms: 0,
    reason: undefined,
    failure: undefined,
    output: "",
    says: undefined,
    commands: [],
  };
  (above ? above.children : tree.roots).push(added);
  tree.steps.set(step, added);
  tree.current = added;
}

/** The steps that are not made of others. */
export const leaves = (tree: HostTree): Step[] =>
  [...tree.steps.values()].filter(({ children }) => children.length === 0);

/** The steps at which something failed, without those that failed because a part of them did. */
export const failures = (tree: HostTree): Step[] =>
  [...tree.steps.values()].filter(
    ({ status, children }) => status === "failed" && !children.some((child) => child.status === "failed"),
  );

/** All steps, each before its children. */
export function inOrder(steps: readonly Step[]): Step[] {
  return steps.flatMap((step) => [step, ...inOrder(step.children)]);
}
