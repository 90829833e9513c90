/** The engine without a deployment: applies a tree on this machine, and records all events. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { targetOf } from "consfigurator/testing";
import { applyTree } from "../../lib/engine/apply";
import { prepare } from "../../lib/engine/prepare";
import type { ApplyContext, AtEnd } from "../../lib/engine/run";
import type { StepEvent } from "../../lib/model/events";
import { HostModel } from "../../lib/model/host";
import type { Change, PropApp } from "../../lib/model/property";
import { Reporter } from "../../lib/model/report";
import type { TargetBase } from "../../lib/target/base";
import type { TargetContext } from "../../lib/target/context";
import { PendingFlags } from "../../lib/target/pending-flags";
import { PlannedHost } from "../../lib/target/planning/host";
import { PlanningTarget } from "../../lib/target/planning/target";
import { outline, planOutline } from "./outline";
import * as toy from "./toy";

export interface Applied {
  readonly change: Change;
  readonly failed: boolean;
  readonly cancelled: boolean;
  readonly steps: string[];
  readonly done: string[];
  readonly events: StepEvent[];
  /** Texts of the notice events. */
  readonly notices: string[];
}

/** Options that differ from the defaults. */
export interface Circumstances extends Partial<ApplyContext> {
  /** The pending flags that the host keeps between deployments, with their text. */
  readonly kept?: Map<string, string>;
  readonly kind?: "posix" | "agent";
  /** True: commands are traced. */
  readonly verbose?: boolean;
}

/** Applies `application` through the engine, and returns the outcome. */
export async function applied(
  application: PropApp,
  { kept = new Map(), kind = "agent", verbose = false, ...more }: Circumstances = {},
): Promise<Applied> {
  const events: StepEvent[] = [];
  const reporter = new Reporter();
  const atEnd: AtEnd = new Map();
  const memory = new Map<string, unknown>();
  const host = HostModel.named("web1");
  const state = new PendingFlags(memory, {
    list: async () => [...kept.keys()],
    write: async (name, text) => void kept.set(name, text),
    remove: async (name) => void kept.delete(name),
  });
  const planned = more.plans ? new PlannedHost() : undefined;
  const outcome = await applyTree(prepare({ name: "web1" }, application, host).application, {
    target: ({ output, ran, changed, findings }) => {
      const context: TargetContext = {
        host,
        signal: NEVER,
        output,
        ...(verbose && { ran }),
        memory,
        state,
        atEnd: (key, act) => void atEnd.set(key, act),
      };
      if (!planned || !findings) return targetOf(kind, { ...context, changed });
      // As in a deployment: the flags of the plan are not those of the host.
      const { state: _onHost, ...own } = { ...context, changed };
      return new PlanningTarget(targetOf(kind, context) as TargetBase, own, planned, findings);
    },
    stopped: () => undefined,
    atEnd,
    ...more,
    emit: (event) => {
      events.push(event);
      reporter.add(event);
      more.emit?.(event);
    },
  });
  const { steps } = reporter.finish("web1", "1", "unchanged", 0);
  return {
    ...outcome,
    steps: planned ? planOutline(steps) : outline(steps),
    done: toy.takeDone(),
    events,
    notices: noticesIn(events),
  };
}

const NEVER = new AbortController().signal;

const noticesIn = (events: readonly StepEvent[]): string[] =>
  events.flatMap((event) => (event.kind === "notice" ? [event.text] : []));

export interface Expected {
  readonly change: Change;
  readonly failed?: boolean;
  readonly steps: string[];
  readonly done?: string[];
}

export function assertApplied(actual: Applied, { change, failed = false, steps, done }: Expected): void {
  assert.deepEqual(actual.steps, steps);
  assert.equal(actual.change, change);
  assert.equal(actual.failed, failed);
  assert.equal(actual.cancelled, false);
  if (done) assert.deepEqual(actual.done, done);
}

/** A test for each row: an application and its expected outcome. */
export const table = (cases: Record<string, [application: () => PropApp, expected: Expected]>): void => {
  for (const [name, [application, expected]] of Object.entries(cases)) {
    test(name, async () => assertApplied(await applied(application()), expected));
  }
};
