import type { Schema } from "../lib/model/schema";
import { fieldType } from "../repl/docs";

type AnySchema = Schema<unknown>;

/** A table of the arguments described by `schema`; undefined when there are none. */
export function argumentsTable(schema: AnySchema): string | undefined {
  const rows = fieldsOf(schema).map(
    ([name, field, required]) =>
      `| \`${name}\`${required ? "" : ", optional"} | ${cell(`\`${typeOf(field)}\``)} | ${cell(allowed(field))} |`,
  );
  return rows.length > 0
    ? ["| argument | | allowed |", "| --- | --- | --- |", ...rows].join("\n")
    : undefined;
}

type Field = readonly [name: string, schema: AnySchema, required: boolean];

function fieldsOf(schema: AnySchema): Field[] {
  const branches = schema["anyOf"] as readonly AnySchema[] | undefined;
  if (branches) return branches.flatMap(fieldsOf);
  const required = (schema["required"] ?? []) as readonly string[];
  return Object.entries((schema["properties"] ?? {}) as Record<string, AnySchema>).map(
    ([name, field]): Field => [name, field, required.includes(name)],
  );
}

/** The type of `schema`, with applications and hops by name. */
function typeOf(schema: AnySchema): string {
  if (schema["application"] === true) return "PropApp";
  if ((schema["required"] as readonly string[] | undefined)?.includes("hop")) return "Hop";
  if (schema["type"] === "array" && schema["items"]) {
    const inner = typeOf(schema["items"] as AnySchema);
    return inner.replaceAll(/\([^()]*\)|\{[^{}]*\}/g, "").includes("|") ? `(${inner})[]` : `${inner}[]`;
  }
  const branches = schema["anyOf"] as readonly AnySchema[] | undefined;
  if (branches) return [...new Set(branches.map(typeOf))].join(" | ");
  if (schema["enum"] === undefined && schema["type"] === undefined && schema["properties"] === undefined)
    return "unknown";
  return fieldType(schema);
}

/** The constraints of `schema` besides its type. */
function allowed(schema: AnySchema): string {
  const described = schema["description"] as string | undefined;
  const branches = schema["anyOf"] as readonly AnySchema[] | undefined;
  if (described === undefined && branches)
    return [...new Set(branches.map(allowed).filter(Boolean))].join(", or ");
  const items = schema["type"] === "array" ? (schema["items"] as AnySchema | undefined) : undefined;
  const each = items && allowed(items);
  const inner = items || described !== undefined ? [] : fieldsOf(schema);
  const parts = [
    described,
    count(schema),
    each && `each ${each}`,
    ...(described === undefined ? limits(schema) : []),
    ...inner.map(([name, field]) => allowed(field) && `\`${name}\`: ${allowed(field)}`),
  ];
  return parts.filter(Boolean).join("; ");
}

function count({ minItems, maxItems }: AnySchema): string | undefined {
  if (minItems !== undefined && minItems === maxItems) return `exactly ${plural(minItems, "item")}`;
  const parts = [
    minItems !== undefined && `at least ${plural(minItems, "item")}`,
    maxItems !== undefined && `at most ${plural(maxItems, "item")}`,
  ];
  return parts.filter(Boolean).join(", ");
}

const plural = (count: unknown, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

const limits = ({ minimum, maximum, minLength, pattern }: AnySchema) => [
  minimum !== undefined && `minimum ${minimum}`,
  maximum !== undefined && `maximum ${maximum}`,
  minLength !== undefined && `at least ${plural(minLength, "character")}`,
  pattern !== undefined && `matching \`${pattern}\``,
];

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");
