import type { HostChange } from "../../lib/model/changes";
import type { Failure } from "../../lib/model/errors";
import type { DeployEvent, StepStatus } from "../../lib/model/events";
import { cleanDeployEvent } from "../../lib/model/host-events";
import type { PlanAnswer } from "../../lib/model/plan";
import type { Rehearsal } from "../../lib/model/rehearsal";
import type { CommandReport, Report } from "../../lib/model/report";
import { cleanText } from "../../lib/util/clean-text";
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
  /** What it changed; in a plan, what it would change. */
  readonly changes: HostChange[];
  /** Only in a plan. */
  plan: PlanAnswer | undefined;
  output: string;
  /** The latest line that it printed, while that is not part of `output`. */
  preview: string | undefined;
  /** Only in verbose deployments. */
  readonly commands: CommandReport[];
}

/** One host as a view shows it. */
export interface HostTree {
  readonly host: string;
  /** Of one deployment of the host. */
  readonly key: string;
  readonly began: number;
  /** The expected number of steps; there may be fewer or more. */
  announced: number;
  hops: readonly string[];
  /** The current activity before the first step. */
  progress: string;
  readonly notices: string[];
  /** True: every detail is shown. */
  verbose: boolean;
  /** True: it is a plan. */
  plan: boolean;
  /** True: it is done in a clone of the host. */
  rehearsing: boolean;
  /** What was found in the clone. */
  rehearsal: Rehearsal | undefined;
  /** True: changes are shown. */
  diff: boolean;
  /** Opened hops and finished uploads. */
  readonly connectionLog: string[];
  /** Commands that ran outside of steps. */
  readonly commands: CommandReport[];
  readonly roots: Step[];
  readonly steps: Map<number, Step>;
  /** The running step that printed something last. */
  current: Step | undefined;
  status: Report["status"] | "running";
  failure: Failure | undefined;
  ms: number;
}

/** The hosts of one or several deployments, in the order of their first events. */
export class Trees {
  readonly #hosts = new Map<string, HostTree>();

  constructor(private readonly now: () => number = Date.now) {}

  get hosts(): HostTree[] {
    return [...this.#hosts.values()];
  }

  /** Whatever views print comes from here, and is clean. */
  add(given: DeployEvent): HostTree {
    const event = cleanDeployEvent(given);
    const key = `${event.deployment} ${event.host}`;
    let tree = this.#hosts.get(key);
    if (!tree) {
      tree = emptyTree(event.host, key, this.now());
      this.#hosts.set(key, tree);
    }
    update(tree, event, this.now());
    return tree;
  }
}

/** The tree of a report, as its events would have made it. */
export function treeOf(report: Report): HostTree {
  const tree = emptyTree(report.host, `${report.deployment} ${report.host}`, 0);
  for (const { parent, ...reported } of report.steps) {
    const { step, property, desc, site } = reported;
    addStep(tree, { step, property, desc, site, ...(parent !== undefined && { parent }) }, 0);
    const added = tree.steps.get(step);
    if (added) Object.assign(added, { ...reported, output: cleanText(reported.output), depth: added.depth });
  }
  const { status, failure, ms, commands = [] } = report;
  const verbose = report.commands !== undefined;
  tree.commands.push(...commands.filter(({ step }) => step === undefined));
  const { plan = false, rehearsal } = report;
  const rehearsing = rehearsal !== undefined;
  return Object.assign(tree, {
    verbose,
    plan,
    rehearsing,
    rehearsal,
    diff: plan || report.diff === true,
    status,
    failure,
    ms,
  });
}

const emptyTree = (host: string, key: string, began: number): HostTree => ({
  host,
  key,
  began,
  announced: 0,
  hops: [],
  progress: "",
  notices: [],
  verbose: false,
  plan: false,
  rehearsing: false,
  rehearsal: undefined,
  diff: false,
  connectionLog: [],
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
      Object.assign(tree, {
        announced: event.steps,
        hops: event.hops,
        verbose: event.verbose ?? false,
        plan: event.plan ?? false,
        rehearsing: event.rehearsal ?? false,
        diff: event.plan ?? event.diff ?? false,
      });
      return;
    case "hop-opening":
      tree.progress = `connecting ${event.hop}`;
      return;
    case "hop-opened":
      // After a lost link, the worker is there.
      tree.progress = event.hop.startsWith("via.agent(") && !tree.current ? "starting a worker" : "";
      tree.connectionLog.push(hopProgress(event));
      return;
    case "upload":
      tree.progress =
        event.sent < event.total
          ? `sending ${event.what}, ${megabytes(event.sent)} of ${megabytes(event.total)} MB`
          : "";
      if (event.sent === event.total) tree.connectionLog.push(hopProgress(event));
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
      tree.progress = "";
      if (!step) return;
      step.output += event.text;
      step.preview = undefined;
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
      if (step) step.preview = event.text;
      tree.current = step;
      return;
    }
    case "step-changed":
      tree.steps.get(event.step)?.changes.push(event.change);
      return;
    case "step-ended": {
      const step = tree.steps.get(event.step);
      tree.progress = "";
      if (!step) return;
      Object.assign(step, {
        status: event.status,
        ms: event.ms,
        reason: event.reason,
        failure: event.failure,
        plan: event.plan,
      });
      if (tree.current === step) tree.current = undefined;
      return;
    }
    case "rehearsed":
      tree.rehearsal = event.rehearsal;
      return;
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
    changes: [],
    plan: undefined,
    output: "",
    preview: undefined,
    commands: [],
  };
  (above ? above.children : tree.roots).push(added);
  tree.steps.set(step, added);
  tree.current = added;
}

/** The steps without children. */
export const leaves = (tree: HostTree): Step[] =>
  [...tree.steps.values()].filter(({ children }) => children.length === 0);

/** The failed steps, without those that failed because of a child. */
export const failures = (tree: HostTree): Step[] => [...tree.steps.values()].filter(failedItself);

/** Whether a step failed, and none inside it. In a plan, one that may yet succeed after earlier steps has not. */
export const failedItself = (step: Step): boolean => hasFailed(step) && !step.children.some(hasFailed);

const hasFailed = ({ status, plan }: Step): boolean =>
  status === "failed" && (plan === undefined || plan.answer === "would fail");

/** All steps, each before its children. */
export function inOrder(steps: readonly Step[]): Step[] {
  return steps.flatMap((step) => [step, ...inOrder(step.children)]);
}
