/** Templates of the consfig, rendered on the controller with Eta: a host gets only the text. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { Script } from "node:vm";
import { InapplicableProperty } from "../model/errors";
import { fromSiteRoot } from "../model/site";
import { tryOrUndefined } from "../util/attempt";
import { similar } from "../util/similar";
import { clearedLines } from "./_rendering-lines";

/** A piece of a rendered template: text, or a datum to be filled in on the host. */
export type TemplatePiece = string | readonly [iden1: string, iden2: string];

/**
 * The template `location` of the consfig, rendered with `values`, which it knows as `it`, and with the prerequisite data
 * `data`, by their names in `it`. A datum is no text here: the template can only write it out, and the result has its
 * identifiers in that place. Throws `InapplicableProperty` with file and line for a template that cannot be rendered.
 */
export function renderedTemplate(
  location: string,
  values: Readonly<Record<string, unknown>>,
  data: Readonly<Record<string, readonly [string, string]>> = {},
): TemplatePiece[] {
  const seal = randomBytes(16).toString("hex");
  const names = Object.keys(data);
  const secrets = names.map((name, index) => [name, datum(name, `<${seal}:${index}>`)] as const);
  const twice = names.find((name) => Object.hasOwn(values, name));
  if (twice !== undefined)
    throw new InapplicableProperty(`"${twice}" is a value and a datum of the template; rename one of them`);
  const text = render(fromSiteRoot(location), { ...values, ...Object.fromEntries(secrets) });
  const pieces = text.split(new RegExp(`<${seal}:(\\d+)>`));
  if (pieces.some((piece) => piece.toLowerCase().includes(seal)))
    throw new InapplicableProperty(
      `${location}: a datum is changed by the template, but its text is not known before the deployment; write it out as it is`,
    );
  return pieces
    .map((piece, at): TemplatePiece => (at % 2 === 0 ? piece : (data[names[Number(piece)] ?? ""] ?? piece)))
    .filter((piece) => piece !== "");
}

/** What a template sees of prerequisite data: `token` takes its place. */
function datum(name: string, token: string): Datum {
  return new Proxy(new Datum(token), {
    get: (own, key) => {
      if (key === "toString" || key === Symbol.toPrimitive) return () => own.token;
      if (typeof key === "symbol") return undefined;
      throw new Error(
        `the text of the datum "it.${name}" is not known before the deployment; write it out as it is`,
      );
    },
  });
}

class Datum {
  constructor(readonly token: string) {}
}

function render(file: string, values: Record<string, unknown>): string {
  // Loaded on first use: most consfigs have no templates.
  const { Eta } = require("eta") as typeof import("eta");
  const options = {
    autoEscape: false,
    autoTrim: false as const,
    autoFilter: true,
    cache: true,
    cacheFilepaths: false,
  };
  const plugins = [{ processAST: clearedLines }];
  const eta = new Eta({ ...options, debug: true, plugins, filterFunction: written });
  const shown = (at: string) => path.relative(fromSiteRoot("."), at);
  eta.resolvePath = (name, how) => path.resolve(path.dirname(how?.filepath ?? file), name);
  eta.readFile = (at) => readTemplate(at, shown(at));
  eta.RuntimeErr = (error, _text, line, at): never => {
    if (error instanceof InapplicableProperty) throw error;
    throw new InapplicableProperty(`${shown(at)}:${line}: ${error.message}`);
  };
  const compile = eta.compile.bind(eta);
  eta.compile = (text, how) => {
    try {
      return compile(text, how);
    } catch (error) {
      const code = tryOrUndefined(() => eta.compileToString(text, how));
      throw new InapplicableProperty(`${shown(how?.filepath ?? file)}${syntaxError(error as Error, code)}`);
    }
  };
  const renderOne = eta.render.bind(eta);
  eta.render = (template, data, meta) => renderOne(template, strict(data, "it") as typeof data, meta);
  return eta.render(file, values);
}

function readTemplate(file: string, shown: string): string {
  const text = tryOrUndefined(() => readFileSync(file, "utf8"));
  if (text !== undefined) return text;
  throw new InapplicableProperty(
    `there is no template ${shown} in the consfig; a path is relative to ${fromSiteRoot(".")}, or to the template that includes it`,
  );
}

/** `:line: what` of an error of syntax; `code` is the program that the template became. */
function syntaxError(error: Error, code: string | undefined): string {
  const unclosed = /^(.*) at line (\d+) col \d+:/.exec(error.message);
  if (unclosed) return `:${unclosed[2]}: ${unclosed[1]}`;
  const reason = error.message.split("\n")[2] ?? error.message;
  const stack = code === undefined ? "" : compilationError(code);
  const at = Number(/^template:(\d+)/.exec(stack)?.[1] ?? 1) - 1;
  const before = (code ?? "").split("\n").slice(0, at).join("\n");
  const line = [...before.matchAll(/^__eta\.line=(\d+)$/gm)].at(-1)?.[1];
  return `${line === undefined ? "" : `:${line}`}: ${reason}`;
}

function compilationError(code: string): string {
  try {
    new Script(`(function (it, options) {\n${code}\n})`, { filename: "template" });
    return "";
  } catch (error) {
    return String((error as Error).stack);
  }
}

/** The text of an interpolation. */
function written(value: unknown): string {
  if (value instanceof Datum || typeof value === "string") return String(value);
  if (["number", "bigint", "boolean"].includes(typeof value)) return String(value);
  const found = Array.isArray(value) ? "a list" : value === null ? "null" : typeof value;
  throw new Error(
    `${found === "object" ? "an object" : found} cannot be written out; it must be a string, a number or a boolean`,
  );
}

/** `value`, in which a name that is not there is an error instead of `undefined`. */
function strict(value: unknown, name: string): unknown {
  if (Array.isArray(value)) return value.map((each, at) => strict(each, `${name}[${at}]`));
  if (typeof value !== "object" || value === null || value instanceof Datum) return value;
  return new Proxy(value as Record<string, unknown>, {
    get: (own, key) => {
      if (typeof key === "symbol" || key in own || key.startsWith("__")) return strictPart(own, key, name);
      const [near] = similar(Object.keys(own), key);
      const there = Object.keys(own).join(", ") || "nothing";
      const hint = near === undefined ? `it has ${there}` : `did you mean "${name}.${near}"?`;
      throw new Error(`there is no value "${name}.${key}"; ${hint}`);
    },
  });
}

const strictPart = (own: Record<string | symbol, unknown>, key: string | symbol, name: string): unknown =>
  typeof key === "string" && Object.hasOwn(own, key) ? strict(own[key], `${name}.${key}`) : own[key];
