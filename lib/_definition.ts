import { similar } from "./registry";

/**
 * What is wrong with the definition of a property. Types are not looked at before a deployment, and a slot that is
 * written wrong would never be asked.
 */
export function definitionComplaints(definition: object): string[] {
  const { name, kind, args } = definition as Record<string, unknown>;
  const slots = Object.entries(definition);
  const given = new Set(slots.filter(([, slot]) => slot !== undefined).map(([key]) => key));
  const acting = [...given].filter((key) => ACTING.includes(key));
  return [
    ...(typeof name === "string" && NAME.test(name)
      ? []
      : [`name is ${shown(name)}; it must be a name such as "file.containsLines"`]),
    ...(kind === "posix" || kind === "agent"
      ? []
      : [`kind is ${shown(kind)}; it must be "posix" or "agent"`]),
    ...(typeof args === "object" && args !== null
      ? []
      : [`args is ${shown(args)}; it must be a schema, such as schema.object({ path: schema.path() })`]),
    ...slots.flatMap(([key, slot]) => slotComplaints(key, slot)),
    ...(acting.length === 0 ? [`it has none of ${ACTING.join(", ")}, and would do nothing`] : []),
    ...["parts", "nested"]
      .filter((key) => given.has(key) && given.has("apply"))
      .map((key) => `it has ${key}, and apply, which would never be asked: leave one of them out`),
  ];
}

function slotComplaints(key: string, slot: unknown): string[] {
  if (key === "name" || key === "kind" || key === "args" || slot === undefined) return [];
  if (key === "inline")
    return typeof slot === "boolean" ? [] : [`inline is ${shown(slot)}; it must be true or false`];
  if (!FUNCTIONS.includes(key)) {
    const near = similar(FUNCTIONS, key);
    return [
      `it has no slot ${key}; ${near.length > 0 ? `did you mean ${near.join(" or ")}?` : `there are ${FUNCTIONS.join(", ")}`}`,
    ];
  }
  return typeof slot === "function" ? [] : [`${key} is ${shown(slot)}; it must be a function`];
}

const NAME = /^[\p{L}\p{N}_$-]+(\.[\p{L}\p{N}_$-]+)*$/u;

/** Of which a property has at least one. */
const ACTING = ["hostattrs", "parts", "nested", "apply", "unapply"];
const FUNCTIONS = [
  "call",
  "desc",
  "preprocess",
  "hostattrs",
  "parts",
  "nested",
  "check",
  "apply",
  "unapply",
  "unappliable",
  "skip",
];

const shown = (value: unknown): string =>
  typeof value === "function" ? "a function" : (JSON.stringify(value) ?? String(value));
