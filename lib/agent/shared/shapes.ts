/** The required fields of each message type. */
export type Shapes = Readonly<Record<string, Shape>>;
export type ShapesOf<M extends { readonly type: string }> = { readonly [T in M["type"]]: Shape };

/** Field names with their kinds; a `?` at the end of a name marks an optional field. */
export interface Shape {
  readonly [field: string]: Kind | Shape | readonly string[];
}
type Kind = keyof typeof kinds;

/** Not an ajv schema: that would add 28 ms to the start of each relay and supervisor. */
const kinds = {
  string: (value: unknown) => typeof value === "string",
  number: (value: unknown) => Number.isFinite(value),
  boolean: (value: unknown) => typeof value === "boolean",
  bytes: (value: unknown) => Buffer.isBuffer(value),
  list: (value: unknown) => Array.isArray(value),
  object: (value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value),
  /** Used as a file name: cannot contain a path. */
  name: (value: unknown) => typeof value === "string" && /^\w[\w.-]{0,200}$/.test(value),
};

/** Longest value shown in an error, in characters. */
const MAX_SHOWN = 80;

/** Why `message` fits none of `shapes`; undefined when it fits. */
export function shapeMismatch(message: unknown, shapes: Shapes): string | undefined {
  if (typeof message !== "object" || message === null || !("type" in message))
    return `a message without a type: ${shown(message)}`;
  const { type } = message;
  const shape = typeof type === "string" && Object.hasOwn(shapes, type) ? shapes[type] : undefined;
  if (!shape) {
    const known = Object.keys(shapes).join(", ");
    return `unknown message type ${shown(type)}, expected one of ${known}; is the other end running a different version?`;
  }
  const wrong = wrongField(message, shape, "");
  return wrong && `invalid message "${type}": ${wrong}`;
}

/** The first invalid field, with its value and the expected kind. */
function wrongField(object: object, shape: Shape, prefix: string): string | undefined {
  for (const [key, kind] of Object.entries(shape)) {
    const optional = key.endsWith("?");
    const field = optional ? key.slice(0, -1) : key;
    const value = (object as Record<string, unknown>)[field];
    if (optional && value === undefined) continue;
    const path = `${prefix}${field}`;
    if (typeof kind === "string") {
      if (!kinds[kind](value)) return `${path} is ${shown(value)}, expected ${kind}`;
    } else if (isList(kind)) {
      if (!kind.includes(value as string)) return `${path} is ${shown(value)}, expected ${kind.join(" or ")}`;
    } else {
      if (!kinds.object(value)) return `${path} is ${shown(value)}, expected object`;
      const wrong = wrongField(value as object, kind, `${path}.`);
      if (wrong) return wrong;
    }
  }
  return undefined;
}

const isList = (kind: Shape | readonly string[]): kind is readonly string[] => Array.isArray(kind);

const shown = (value: unknown): string => {
  if (Buffer.isBuffer(value)) return `<${value.length} bytes>`;
  const text = JSON.stringify(value) ?? String(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
};
