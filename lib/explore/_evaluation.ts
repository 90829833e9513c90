import { session } from "../controller/session";
import { evaluates, evaluatesTyped } from "../executable/evaluates";
import { refuseArguments } from "../model/errors";
import { notPlainData } from "../model/plain-data";
import type { PropApp } from "../model/property";
import type { StepReport } from "../model/report";
import type { Site } from "../model/site";
import { visibleText } from "../util/clean-text";
import type { Unanswered } from "./rows";

/** What a function has returned on a host. */
export interface Evaluated<T> {
  readonly host: string;
  readonly value: T;
}

/** A function that hosts can evaluate. */
export type Evaluable<A extends readonly unknown[], T> = (...args: A) => T | Promise<T>;

/**
 * The application that evaluates `fn` on a host. `caller`: whoever was given it. Throws `InvalidArguments` for what cannot be
 * sent there.
 */
export function evaluationOf(
  fn: Evaluable<never[], unknown>,
  args: readonly unknown[],
  site: Site,
  caller: Function,
): PropApp {
  const sent = typeof fn === "function" ? sentOf(fn) : [`expected a function; got ${typeof fn}`];
  const complaints = [...("args" in sent ? [] : sent), ...notPlainData(args, "an argument")];
  refuseArguments("eval", complaints, caller);
  const evaluation = sent as Exclude<typeof sent, readonly string[]>;
  return { property: evaluation.property, args: { ...evaluation.args, args }, site: `${site}` };
}

/** The property that calls `fn` on a host, and what it needs of it; or why that is not possible. */
function sentOf(fn: Function): { readonly property: string; readonly args: object } | readonly string[] {
  const exported = session.consfig?.exportOf(fn);
  if (exported) return { property: evaluates.definition.name, args: exported };
  const typed = session.typed?.(fn);
  if (typed && "functions" in typed)
    return { property: evaluatesTyped.definition.name, args: { name: fn.name, ...typed } };
  if (typed) return typed.complaints;
  const name = fn.name.trim() === "" ? "the function" : fn.name.trim();
  return [
    Function.prototype.toString.call(fn).endsWith("{ [native code] }")
      ? `${name} is a bound or native function, whose code cannot be sent; give a function that calls it, such as () => …`
      : `${name} is neither exported by a file of the consfig nor typed at the prompt or in a playbook; export it from a file, such as properties/checks.ts`,
  ];
}

/** The value that `step` has reported, with what is unsafe to print made visible; undefined when it has reported none. */
export function valueIn({ status, rows }: StepReport): { readonly value: unknown } | undefined {
  const [row] = status === "changed" ? (rows ?? []) : [];
  const text = row?.["value"];
  if (text === undefined) return undefined;
  return { value: typeof text === "string" ? visible(JSON.parse(text)) : undefined };
}

function visible(value: unknown): unknown {
  if (typeof value === "string") return visibleText(value);
  if (Array.isArray(value)) return value.map(visible);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [visibleText(name), visible(each)]));
}

/** Why a host without an agent among its hops is not asked. */
export const needsAgent = (host: string): string =>
  `${host} has no agent, so it cannot evaluate a function; add via.agent() to its hops`;

/** Why there is no value, with the line that threw. */
export function problemOf(
  host: string,
  step: StepReport | undefined,
  failure: StepReport["failure"],
): Unanswered {
  const found = step?.failure ?? failure;
  if (!found) return { host, message: step?.reason ?? "it was not evaluated" };
  const { name, message, stack = "" } = found;
  const [, line] = OWN_LINE.exec(stack) ?? [];
  const text = /^(FailedChange|Error)$/.test(name) ? message : `${name}: ${message}`;
  return { host, message: line === undefined ? text : `${text} (${line})` };
}

/** The first frame in a file of the consfig, whose path is relative, or in an input. */
const OWN_LINE =
  /^ *at (?:.* \()?((?:(?!\/|node:|consfigurator\/|node_modules\/)[^():]+\.tsx?|[^():]+\.repl|prompt\[\d+\]|(?:[^():]*\/)?stdin):\d+:\d+)\)?$/m;
