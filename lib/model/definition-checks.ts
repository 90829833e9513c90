import { similar } from "../util/similar";

/**
 * The problems in the definition of a property. Types are not checked before a deployment, so a misspelled slot would
 * silently never be called.
 */
export function definitionComplaints(definition: object): string[] {
  const { kind } = definition as Record<string, unknown>;
  const given = givenIn(definition);
  const acting = given.filter((key) => ACTING.includes(key));
  return [
    ...nameComplaints(definition, "file.containsLines"),
    ...(kind === "posix" || kind === "agent"
      ? []
      : [`kind is ${shown(kind)}; it must be "posix" or "agent"`]),
    ...argsComplaints(definition),
    ...slotComplaints(definition, {
      known: ["name", "kind", "args", "rows"],
      flags: ["inline"],
      functions: FUNCTIONS,
    }),
    ...(acting.length === 0 && !given.includes("rows")
      ? [`it needs at least one of ${ACTING.join(", ")}; without them it does nothing`]
      : []),
    ...["parts", "nested"]
      .filter((key) => given.includes(key) && given.includes("apply"))
      .map((key) => `it has both ${key} and apply, which would never be called; remove one of them`),
  ];
}

/** The problems in the definition of a hop. */
export const hopComplaints = (definition: object): string[] => [
  ...nameComplaints(definition, "ssh"),
  ...argsComplaints(definition),
  ...slotComplaints(definition, {
    known: ["name", "args"],
    flags: ["agent", "first", "asks", "ephemeral"],
    functions: ["call", "open", "enter", "sees"],
  }),
  ...(givenIn(definition).includes("open") ? [] : ["it has no open; add the function that connects"]),
];

/** Names of the slots that are not undefined. */
const givenIn = (definition: object): string[] =>
  Object.entries(definition).flatMap(([key, slot]) => (slot === undefined ? [] : [key]));

function nameComplaints(definition: object, example: string): string[] {
  const { name } = definition as Record<string, unknown>;
  if (typeof name === "string" && NAME.test(name)) return [];
  return [`name is ${shown(name)}; it must be a name such as ${JSON.stringify(example)}`];
}

function argsComplaints(definition: object): string[] {
  const { args } = definition as Record<string, unknown>;
  if (typeof args === "object" && args !== null) return [];
  return [`args is ${shown(args)}; it must be a schema, such as schema.object({ path: schema.path() })`];
}

interface Slots {
  /** Checked elsewhere. */
  readonly known: readonly string[];
  readonly flags: readonly string[];
  readonly functions: readonly string[];
}

const slotComplaints = (definition: object, { known, flags, functions }: Slots): string[] =>
  Object.entries(definition).flatMap(([key, slot]) => {
    if (known.includes(key) || slot === undefined) return [];
    if (flags.includes(key))
      return typeof slot === "boolean" ? [] : [`${key} is ${shown(slot)}; it must be true or false`];
    if (functions.includes(key))
      return typeof slot === "function" ? [] : [`${key} is ${shown(slot)}; it must be a function`];
    const near = similar(functions, key);
    const instead =
      near.length > 0 ? `did you mean ${near.join(" or ")}?` : `the slots are ${functions.join(", ")}`;
    return [`unknown slot ${key}; ${instead}`];
  });

const NAME = /^[\p{L}\p{N}_$-]+(\.[\p{L}\p{N}_$-]+)*$/u;

/** A property has at least one of these slots. */
const ACTING = ["hostattrs", "parts", "nested", "apply", "unapply"];
const FUNCTIONS = [
  "call",
  "desc",
  "preprocess",
  "hostattrs",
  "mismatch",
  "parts",
  "nested",
  "check",
  "apply",
  "verify",
  "unapply",
  "unappliable",
  "skip",
];

const shown = (value: unknown): string =>
  typeof value === "function" ? "a function" : (JSON.stringify(value) ?? String(value));
