import type Ajv from "ajv";
import type { Options, ValidateFunction } from "ajv";
import { WITHOUT_PREFIX } from "./_permission-bits";
import { isRelevant, message } from "./_schema-messages";
import type { Datum } from "./data-names";
import type { Hop, PropApp } from "./types";

/**
 * A JSON Schema for a value of type `T`, which only the compiler sees. The type, the validation, the error message and
 * the docs of an argument all come from one schema.
 */
export interface Schema<T> {
  readonly [keyword: string]: unknown;
  readonly "~type"?: T;
}

/** A field of an `object` that may be left out. */
interface Optional<T> {
  readonly optional: Schema<T>;
}

type AnySchema = Schema<unknown>;
type Field = AnySchema | Optional<unknown>;
export type Infer<F> = F extends Schema<infer T> ? T : never;
type Simplify<T> = { [K in keyof T]: T[K] } & {};
type Fields<F> = { [K in keyof F as F[K] extends Optional<unknown> ? never : K]: Infer<F[K]> } & {
  [K in keyof F as F[K] extends Optional<unknown> ? K : never]?: F[K] extends Optional<infer T>
    ? T | undefined
    : never;
};

/** A string. `keywords` are further JSON Schema keywords, such as `minLength`. */
export const string = (keywords: object = {}): Schema<string> => ({ type: "string", ...keywords });
/** An integer. */
export const integer = (keywords: object = {}): Schema<number> => ({ type: "integer", ...keywords });
/** `true` or `false`. */
export const boolean = (keywords: object = {}): Schema<boolean> => ({ type: "boolean", ...keywords });
/** A list of any length, with items that match `items`. */
export const list = <T>(items: Schema<T>, keywords: object = {}): Schema<T[]> => ({
  type: "array",
  items,
  ...keywords,
});
/** The two names of prerequisite data. */
export const datum = (): Schema<Datum> => ({
  type: "array",
  items: string({ minLength: 1 }),
  minItems: 2,
  maxItems: 2,
  description: "the two names of a datum",
});
/** One of the given strings. */
export const oneOf = <const T extends string>(...values: T[]): Schema<T> => ({ enum: values });
/** A field of an `object` that may be left out. */
export const optional = <T>(schema: Schema<T>): Optional<T> => ({ optional: schema });
/** A value that matches `schema`, or `null`. */
export const nullable = <T>(schema: Schema<T>): Schema<T | null> => ({ anyOf: [schema, { type: "null" }] });
/** A value that matches at least one of `schemas`. */
export const either = <const S extends readonly AnySchema[]>(...schemas: S): Schema<Infer<S[number]>> => ({
  anyOf: schemas,
});
/** An object used as a map: any keys, each with a value of one shape. */
export const record = <T>(values: Schema<T>, keywords: object = {}): Schema<Record<string, T>> => ({
  type: "object",
  additionalProperties: values,
  ...keywords,
});
/** Any JSON value. */
export const json = (keywords: object = {}): Schema<unknown> => ({ ...keywords });

/** An object with exactly these fields; each is required unless it is `optional`. */
export function object<const F extends Record<string, Field>>(fields: F): Schema<Simplify<Fields<F>>> {
  const entries = Object.entries(fields);
  return {
    type: "object",
    properties: Object.fromEntries(
      entries.map(([key, field]) => [key, isOptional(field) ? field.optional : field]),
    ),
    required: entries.filter(([, field]) => !isOptional(field)).map(([key]) => key),
    additionalProperties: false,
  };
}
const isOptional = (field: Field): field is Optional<unknown> => "optional" in field;

// Domain types: each pattern and its description is defined once.

/** A path on the host: absolute, or relative to the home directory of the connected user. */
export const path = () => string({ pattern: "^[^\\u0000\\n]+$", description: "a path on the host" });
/** An absolute path on the host. */
export const absolutePath = () =>
  string({ pattern: "^/[^\\u0000\\n]*$", description: "an absolute path on the host" });
/** A path on this machine. */
export const localPath = () =>
  string({ pattern: "^[^\\u0000\\n]+$", description: "a path on this machine", suggest: "local files" });
/** One line of text, without its newline. */
export const line = () => string({ pattern: "^[^\\n]*$", description: "one line, without its newline" });
/** The name of a user or group as Debian's useradd(8) accepts it, or a numeric ID. */
export const account = () =>
  string({
    pattern: "^[A-Za-z0-9_][A-Za-z0-9_.-]*\\$?$",
    maxLength: 32,
    description: "the name of a user or group",
  });
/** Permission bits, setuid, setgid and sticky included, as a number such as 0o640. What 0o was forgotten for is refused. */
export const mode = () =>
  integer({
    minimum: 0,
    maximum: 0o7777,
    not: { enum: WITHOUT_PREFIX },
    octal: true,
    description: "permission bits, such as 0o640",
  });

/** A size with an optional unit, as fallocate(1) accepts it: "512", "10M", "2GiB". */
export const size = () =>
  string({ pattern: "^[0-9]+([KMGTPE](iB|B)?)?$", description: 'a size such as "2GiB"' });
/** A host name (RFC 1123), short or fully qualified. */
export const hostname = () =>
  string({
    pattern: "^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,62}))*$",
    description: "a host name",
  });

/** A property application, as an argument of a combinator. */
export const propapp = (): Schema<PropApp> => ({
  type: "object",
  required: ["property", "args"],
  application: true,
  description: 'a property, such as cmd.single("true")',
});

/** A hop, as returned by `via.ssh(…)`. */
export const hop = (): Schema<Hop> => ({
  type: "object",
  required: ["hop", "args"],
  description: 'a hop, such as via.ssh({ user: "root" })',
});

/**
 * The path of a consfig module that is sent to the host along with the property: relative to the file that uses the
 * property, or, starting with `/`, to the consfig's directory. Slots receive the latter form.
 */
export const modulePath = (): Schema<string> => ({
  type: "string",
  pattern: "^\\.{0,2}/[^\\u0000\\n]+$",
  module: true,
  description: 'a module of the consfig, such as "../services/web"',
});

/** A copy of `value` in which each application that `schema` describes is replaced by the result of `change`. */
export const mapApplications = (
  schema: AnySchema,
  value: unknown,
  change: (application: PropApp) => PropApp,
): unknown => mapTagged("application", schema, value, change as (found: unknown) => unknown);

/** As `mapApplications`, for the module paths that `modulePath()` describes. */
export const mapModules = (schema: AnySchema, value: unknown, change: (module: string) => string): unknown =>
  mapTagged("module", schema, value, change as (found: unknown) => unknown);

/** The module paths in `value`, without those in the arguments of applications. */
export function modulesIn(schema: AnySchema, value: unknown): string[] {
  const found: string[] = [];
  mapModules(schema, value, (module) => {
    found.push(module);
    return module;
  });
  return found;
}

/** A schema keyword that marks values to be found among the arguments. */
type Tag = "application" | "module" | "octal";

/** A copy of `value` in which each value that a schema with the keyword `tag` describes is replaced by that of `change`. */
export function mapTagged(
  tag: Tag,
  schema: AnySchema,
  value: unknown,
  change: (found: unknown) => unknown,
): unknown {
  if (schema[tag] === true) return change(value);
  if (!mayContain(tag, schema) || (tag === "application" && (typeof value !== "object" || value === null)))
    return value;
  const branches = schema["anyOf"] as AnySchema[] | undefined;
  if (branches) {
    const matching = branches.find((branch) => mayContain(tag, branch) && validator(branch)(value));
    return matching ? mapTagged(tag, matching, value, change) : value;
  }
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value))
    return value.map((item) => mapTagged(tag, schema["items"] as AnySchema, item, change));
  const fields = (schema["properties"] ?? {}) as Record<string, AnySchema>;
  const others = schema["additionalProperties"];
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const field = fields[key] ?? (typeof others === "object" ? (others as AnySchema) : {});
      return [key, mapTagged(tag, field, inner, change)];
    }),
  );
}

/** The applications in `value`, in order. */
export function applicationsIn(schema: AnySchema, value: unknown): PropApp[] {
  const found: PropApp[] = [];
  mapApplications(schema, value, (application) => {
    found.push(application);
    return application;
  });
  return found;
}

const containing: Record<Tag, WeakMap<object, boolean>> = {
  application: new WeakMap(),
  module: new WeakMap(),
  octal: new WeakMap(),
};
function mayContain(tag: Tag, schema: AnySchema): boolean {
  let contains = containing[tag].get(schema);
  if (contains === undefined) {
    const inner = [
      ...((schema["anyOf"] as AnySchema[] | undefined) ?? []),
      ...Object.values((schema["properties"] as Record<string, AnySchema> | undefined) ?? {}),
      ...[schema["items"], schema["additionalProperties"]].filter(
        (part): part is AnySchema => typeof part === "object",
      ),
    ];
    contains = schema[tag] === true || inner.some((part) => mayContain(tag, part));
    containing[tag].set(schema, contains);
  }
  return contains;
}

/**
 * The schema of each parameter of a function that makes an arguments object: that of the field with its name; of a parameter
 * that is no field itself, such as options, the whole. Of `...rest`, that of each item.
 */
export function parametersAs(names: readonly string[], args: AnySchema): (AnySchema | undefined)[] {
  const fields = (args["properties"] ?? {}) as Record<string, AnySchema>;
  return names.map((name) =>
    name.startsWith("...")
      ? (fields[name.slice(3)]?.["items"] as AnySchema | undefined)
      : (fields[name] ?? ({ ...args, required: [] } as AnySchema)),
  );
}

/** The problems in a value: one line for each, with its path, its value and what is allowed; empty when it is valid. */
export function problems(schema: AnySchema, value: unknown, name = "args"): string[] {
  const validate = validator(schema);
  if (validate(value)) return [];
  return [...new Set((validate.errors ?? []).filter(isRelevant).map((error) => message(error, name)))];
}

const compiled = new WeakMap<object, ValidateFunction>();
/** With how many schemas it has compiled. */
let current: { readonly ajv: Ajv; schemas: number } | undefined;
let options: Options = {};

/** What one ajv has compiled stays in memory as long as any of it is used: definitions are replaced all day. */
const SCHEMAS_PER_AJV = 100;

/**
 * Compiles the validator of `schema` ahead of its first use. For workers, whose definitions the controller has checked
 * already: the schema itself is not validated again, which saves a quarter of the time.
 */
export function warm(schema: AnySchema): void {
  options = { meta: false, validateSchema: false };
  validator(schema);
}

/** ajv is loaded on first use, and each schema is compiled once. */
function validator(schema: AnySchema): ValidateFunction {
  let validate = compiled.get(schema);
  if (!validate) {
    if (current === undefined || current.schemas >= SCHEMAS_PER_AJV) current = { ajv: newAjv(), schemas: 0 };
    current.schemas += 1;
    validate = current.ajv.compile(schema);
    compiled.set(schema, validate);
  }
  return validate;
}

/** Without ajv's code optimisation, which takes longer than it saves. */
function newAjv(): Ajv {
  const { Ajv: Validator } = require("ajv") as typeof import("ajv");
  const usual = { allErrors: true, verbose: true, strict: false, allowUnionTypes: true };
  return new Validator({ ...usual, code: { optimize: false }, ...options });
}
