/** What each kind of event may have in its fields, and how that is cleaned. */

import { cleanLine, visibleText } from "../util/clean-text";
import { EXCERPT } from "../util/excerpt";
import {
  boolean,
  cleanFields,
  cut,
  diff,
  exitCode,
  type Field,
  type Fields,
  integer,
  isObject,
  isText,
  line,
  lines,
  number,
  object,
  oneOf,
  optional,
  stack,
  text,
  wrongField,
} from "./_event-fields";
import type { HostChange } from "./changes";
import type { DeployEvent } from "./events";
import { MOST_PATHS } from "./plan";
import { type Cell, MOST_ROWS, type Row } from "./rows";

const printed = text(2 * EXCERPT + 1000);
export const failureFields: Fields = {
  name: line(100),
  message: text(16 * 1024 + 1),
  stack: optional(stack),
  command: optional(
    object({ command: text(16 * 1024 + 1), exit: exitCode, stdout: printed, stderr: printed }),
  ),
};
export const failure = optional(object(failureFields));
const step = integer;

const integers: Field = {
  expected: "a list of integers",
  accepts: (value) => Array.isArray(value) && value.length <= 1000 && value.every(Number.isSafeInteger),
};
const fromTo = (side: Field): Field => optional(object({ from: optional(side), to: optional(side) }));

const CHANGE_FIELDS: { readonly [K in HostChange["kind"]]: Fields } = {
  file: {
    change: line(20),
    path: line(4096),
    type: line(20),
    content: optional(
      object({
        form: oneOf("diff", "secret", "binary", "large"),
        diff: optional(diff),
        added: optional(integer),
        removed: optional(integer),
        cut: optional(boolean),
        size: fromTo(integer),
        sha256: fromTo(line(64)),
      }),
    ),
    mode: fromTo(integer),
    owner: fromTo(line(100)),
    link: fromTo(line(4096)),
    renamed: optional(line(4096)),
    digest: optional(line(64)),
  },
  package: { name: line(200), version: object({ from: optional(line(200)), to: optional(line(200)) }) },
  account: { change: line(20), name: line(200), detail: optional(line(1000)) },
  group: { change: line(20), name: line(200), detail: optional(line(1000)) },
  unit: { unit: line(300), change: line(20) },
  mount: { change: line(20), path: line(4096) },
  command: { command: text(2000) },
};

const fieldsOfChange = (value: unknown): Fields | undefined =>
  isObject(value) && isText(value["kind"]) && Object.hasOwn(CHANGE_FIELDS, value["kind"])
    ? CHANGE_FIELDS[value["kind"] as HostChange["kind"]]
    : undefined;

const change: Field = {
  expected: "a change of a host",
  accepts: (value) => {
    const fields = fieldsOfChange(value);
    return fields !== undefined && wrongField(value as Record<string, unknown>, fields) === undefined;
  },
  clean: (value: HostChange) => ({
    kind: value.kind,
    ...cleanFields(value as never, CHANGE_FIELDS[value.kind]),
  }),
};

const list = (field: Field): Field => ({
  expected: "a list",
  accepts: (value) => Array.isArray(value) && value.every((each) => field.accepts(each)),
  clean: (value: readonly unknown[]) => value.map((each) => field.clean?.(each as never) ?? each),
});

const rehearsal = object({
  ok: boolean,
  changes: list(change),
  counted: list(object({ directory: line(4096), files: integer })),
  units: list(object({ unit: line(300), state: line(200), healthy: boolean })),
  notTried: list(line(2000)),
  cloneMs: number,
  memory: number,
});

const paths: Field = {
  expected: `a list of at most ${MOST_PATHS} paths`,
  accepts: (value) => Array.isArray(value) && value.length <= MOST_PATHS && value.every(isText),
  clean: (value: readonly string[]) => value.map((each) => visibleText(cut(each, 4096))),
};

const plan = object({
  answer: oneOf("holds", "would change", "depends", "would fail", "unknown"),
  dependsOn: optional(integers),
  reason: optional(text(4000)),
  open: optional(boolean),
  paths: optional(paths),
});

const cell = (value: unknown): boolean =>
  value === null ||
  isText(value) ||
  typeof value === "boolean" ||
  Number.isFinite(value) ||
  (Array.isArray(value) && value.every(isText));
const cleanCell = (value: Cell): Cell =>
  isText(value) ? visibleText(value) : Array.isArray(value) ? value.map((each) => visibleText(each)) : value;

const rows: Field = {
  expected: `a list of at most ${MOST_ROWS} rows`,
  accepts: (value) =>
    Array.isArray(value) &&
    value.length <= MOST_ROWS &&
    value.every((row) => isObject(row) && Object.values(row).every(cell)),
  clean: (value: readonly Row[]) =>
    value.map((row) =>
      Object.fromEntries(Object.entries(row).map(([name, each]) => [cleanName(name), cleanCell(each)])),
    ),
};

const data: Field = {
  expected: "a list of data",
  accepts: (value) => Array.isArray(value) && value.every(isObject),
};

/** The fields of each kind of event. */
export const FIELDS: { readonly [K in DeployEvent["kind"]]: Fields } = {
  "deployment-started": {
    at: line(100),
    hops: lines,
    steps: number,
    plan: optional(boolean),
    data: optional(data),
    rehearsal: optional(boolean),
    diff: optional(boolean),
    verbose: optional(boolean),
  },
  rehearsed: { rehearsal },
  "deployment-ended": { status: line(100), ms: number, failure },
  "hop-opening": { hop: line(1000) },
  "hop-opened": { hop: line(1000), ms: number, reused: boolean },
  upload: { what: line(200), sent: number, total: number },
  waiting: { reason: line(2000) },
  notice: { text: text(16 * 1024) },
  "step-started": { step, parent: optional(step), property: line(200), desc: line(2000), site: line(1000) },
  "step-output": { step, stream: oneOf("stdout", "stderr"), text: printed },
  "step-preview": { step, text: line(1000) },
  "command-ran": { step: optional(step), command: text(2000), exit: optional(exitCode), ms: number },
  "step-changed": { step, change },
  "step-rows": { step, rows },
  "step-ended": {
    step,
    status: oneOf("unchanged", "changed", "failed", "skipped"),
    ms: number,
    reason: optional(line(2000)),
    failure,
    plan: optional(plan),
  },
};

/** A name that a host gives, such as that of a user. */
export const cleanName = (name: string): string => cleanLine(cut(name, 200));
