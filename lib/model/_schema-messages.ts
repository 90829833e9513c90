import { inspect } from "node:util";
import type { ErrorObject } from "ajv";
import { tryOrUndefined } from "../util/attempt";
import { octal, withPrefix } from "./_permission-bits";

/** The error of an `anyOf` lists what is allowed; the errors of its branches are noise. */
export const isRelevant = (error: ErrorObject): boolean => !/\/anyOf\/\d+\//.test(error.schemaPath);

/** One problem: its path, its value and what is allowed. */
export function message(error: ErrorObject, name: string): string {
  const place = name + placeOf(error.instancePath);
  const { params, parentSchema } = error;
  const described =
    typeof parentSchema?.["description"] === "string" ? parentSchema["description"] : undefined;
  switch (error.keyword) {
    case "required":
      return `${place}.${params["missingProperty"]} is missing`;
    case "additionalProperties":
      return `${place} has an unknown field "${params["additionalProperty"]}"; it takes ${allowedKeys(parentSchema)}`;
    case "enum":
      return `${place} is ${shown(error.data)}; it must be one of ${(params["allowedValues"] as unknown[]).map(shown).join(", ")}`;
    case "anyOf":
      return `${place} is ${shown(error.data)}; it must be ${described ?? alternatives(error.schema)}`;
    case "minItems":
      return `${place} has ${(error.data as unknown[]).length} items; it must have at least ${params["limit"]}`;
    case "maxItems":
      return `${place} has ${(error.data as unknown[]).length} items; it must have at most ${params["limit"]}`;
    default: {
      const meant = parentSchema?.["octal"] === true ? withPrefix(error.data) : undefined;
      const hint = meant === undefined ? "" : `; did you mean ${octal(meant)}?`;
      return `${place} is ${shown(error.data)}; it ${described ? `must be ${described}` : expectation(error)}${hint}`;
    }
  }
}

/** A JSON pointer as a JavaScript member expression. */
const placeOf = (pointer: string): string =>
  pointer
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"))
    .map((key) =>
      /^[0-9]+$/.test(key) ? `[${key}]` : /^[\w$]+$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`,
    )
    .join("");

const allowedKeys = (schema: ErrorObject["parentSchema"]): string => {
  const keys = Object.keys((schema?.["properties"] as object | undefined) ?? {});
  return keys.length > 0 ? keys.map((key) => `"${key}"`).join(", ") : "no fields";
};

const alternatives = (schemas: unknown): string =>
  (schemas as Readonly<Record<string, unknown>>[])
    .map((schema) =>
      String(
        schema["description"] ??
          typeInWords(schema["type"]) ??
          (schema["enum"] as unknown[] | undefined)?.map(shown).join(" or "),
      ),
    )
    .join(", or ");

function expectation({ keyword, params, message: said }: ErrorObject): string {
  const characters = `${params["limit"]} character${params["limit"] === 1 ? "" : "s"}`;
  switch (keyword) {
    case "type":
      return `must be ${typeInWords(params["type"])}`;
    case "minLength":
      return params["limit"] === 1 ? "must not be empty" : `must have at least ${characters}`;
    case "maxLength":
      return `must have at most ${characters}`;
    default:
      return said ?? `does not match "${keyword}"`;
  }
}

const TYPES: Readonly<Record<string, string>> = {
  string: "a string",
  integer: "a whole number",
  number: "a number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  null: "null",
};
const typeInWords = (type: unknown): string | undefined =>
  type === undefined
    ? undefined
    : [type]
        .flat()
        .map((one) => TYPES[String(one)] ?? String(one))
        .join(" or ");

function shown(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (ArrayBuffer.isView(value)) return `a ${value.constructor.name} of ${value.byteLength} bytes`;
  // A secret cannot be serialised, and shows its size only.
  const text = tryOrUndefined(() => JSON.stringify(value)) ?? inspect(value, { breakLength: Infinity });
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
