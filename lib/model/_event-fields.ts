/** The fields of what comes from a host: what each accepts, and how its text is cut and cleaned. */
import { cleanLine, cleanText, visibleText } from "../util/clean-text";
import { beginningOf } from "../util/excerpt";
import { isPlannedAct } from "./planned-acts";

/** The beginning of `value`, copied: a slice would keep all of it in memory. */
export const cut = (value: string, limit: number): string =>
  value.length > limit ? Buffer.from(beginningOf(value, limit), "utf16le").toString("utf16le") : value;

export interface Field {
  readonly expected: string;
  readonly optional?: boolean;
  accepts(value: unknown): boolean;
  clean?(value: never): unknown;
}
export type Fields = Readonly<Record<string, Field>>;

export const isText = (value: unknown): value is string => typeof value === "string";
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Text on one line. Lengths are in characters; what is longer is cut. */
export const line = (limit: number): Field => ({
  expected: "text",
  accepts: isText,
  clean: (value: string) => cleanLine(cut(value, limit)),
});
export const text = (limit: number): Field => ({
  expected: "text",
  accepts: isText,
  clean: (value: string) => cleanText(cut(value, limit)),
});
/** Lines of a file: what is in it is shown, not removed. */
export const diff: Field = {
  expected: "text",
  accepts: isText,
  clean: (value: string) => visibleText(cut(value, 300 * 1024)),
};
export const number: Field = {
  expected: "a number from 0",
  accepts: (value) => Number.isFinite(value) && (value as number) >= 0,
};
export const integer: Field = { expected: "an integer from 0", accepts: (value) => isCount(value) };
export const exitCode: Field = { expected: "an integer", accepts: Number.isSafeInteger };
export const boolean: Field = { expected: "true or false", accepts: (value) => typeof value === "boolean" };
export const oneOf = (...values: readonly string[]): Field => ({
  expected: values.join(" or "),
  accepts: (value) => values.includes(value as string),
});
export const optional = (field: Field): Field => ({ ...field, optional: true });
export const object = (fields: Fields): Field => ({
  expected: "an object",
  accepts: (value) => isObject(value) && wrongField(value, fields) === undefined,
  clean: (value: Record<string, unknown>) => cleanFields(value, fields),
});
export const lines: Field = {
  expected: "a list",
  accepts: Array.isArray,
  clean: (value: readonly string[]) => value.map((each) => cleanLine(cut(each, 1000))),
};
/** Only frames, so that nothing else can be printed as one. */
export const stack: Field = {
  expected: "text",
  accepts: isText,
  clean: (value: string) =>
    cut(value, 64 * 1024)
      .split("\n")
      .filter((each) => /^\s*at /.test(each.slice(0, 100)))
      .slice(0, 50)
      .map((each) => cleanLine(cut(each, 1000)))
      .join("\n"),
};

/** What a nested plan has found. It is used, never shown. */
export const plannedActs: Field = {
  expected: "what a plan would do",
  accepts: (value) => Array.isArray(value) && value.every(isPlannedAct),
};

const isBoundStep = (value: unknown): boolean =>
  isObject(value) &&
  isText(value["answer"]) &&
  typeof value["open"] === "boolean" &&
  Array.isArray(value["changes"]) &&
  value["changes"].every(isText);

/** What steps would do instead of what was planned, by key. It is sent back, never shown. */
export const boundSteps: Field = {
  expected: "steps of a plan",
  accepts: (value) => isObject(value) && Object.values(value).every(isBoundStep),
};

export const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;

export function cleanFields(
  given: Readonly<Record<string, unknown>>,
  fields: Fields,
): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    const value = given[name];
    if (value === undefined) continue;
    result[name] = field.clean && field.accepts(value) ? field.clean(value as never) : value;
  }
  return result;
}

/** `step is "x", expected an integer from 0`; undefined when all fields are as they should be. */
export function wrongField(given: Readonly<Record<string, unknown>>, fields: Fields): string | undefined {
  for (const [name, field] of Object.entries(fields)) {
    const value = given[name];
    if (value === undefined && field.optional) continue;
    if (!field.accepts(value)) return `${name} is ${shown(value)}, expected ${field.expected}`;
  }
  return undefined;
}

export const shown = (value: unknown): string =>
  isText(value) || typeof value !== "object" || value === null
    ? cleanLine(cut(JSON.stringify(value) ?? String(value), 80))
    : Array.isArray(value)
      ? "a list"
      : "an object";
