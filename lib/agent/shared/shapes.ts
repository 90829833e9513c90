/** What a message of each type holds besides its type, as far as it is relied upon. */
export type Shapes = Readonly<Record<string, Shape>>;
export type ShapesOf<M extends { readonly type: string }> = { readonly [T in M["type"]]: Shape };

/** By the names of the fields; a `?` behind one says that it may be left out. */
export interface Shape {
  readonly [field: string]: Kind | Shape | readonly string[];
}
type Kind = keyof typeof kinds;

/** A schema by ajv would say the same, and would cost each relay and supervisor 28 ms of its start. */
const kinds = {
  string: (value: unknown) => typeof value === "string",
  number: (value: unknown) => Number.isFinite(value),
  boolean: (value: unknown) => typeof value === "boolean",
  bytes: (value: unknown) => Buffer.isBuffer(value),
  list: (value: unknown) => Array.isArray(value),
  object: (value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value),
  /** What files are called by: nothing that leads elsewhere. */
  name: (value: unknown) => typeof value === "string" && /^\w[\w.-]{0,200}$/.test(value),
};

/** How much of what is wrong is shown. */
const SHOWN = 80;

/** What is wrong with `message`, of those that `shapes` tells; undefined when nothing is. */
export function shapeMismatch(message: unknown, shapes: Shapes): string | undefined {
  if (typeof message !== "object" || message === null || !("type" in message))
    return `a message has no type: ${shown(message)}`;
  const { type } = message;
  const shape = typeof type === "string" && Object.hasOwn(shapes, type) ? shapes[type] : undefined;
  if (!shape) {
    const known = Object.keys(shapes).join(", ");
    return `a message of type ${shown(type)} came, and ${known} are understood here; is the other end of another version?`;
  }
  const wrong = wrongField(message, shape, "");
  return wrong && `the message "${type}" came with ${wrong}`;
}

/** The first field that is not as it should be, what it is, and what it is not. */
function wrongField(holder: object, shape: Shape, above: string): string | undefined {
  for (const [key, kind] of Object.entries(shape)) {
    const optional = key.endsWith("?");
    const field = optional ? key.slice(0, -1) : key;
    const value = (holder as Record<string, unknown>)[field];
    if (optional && value === undefined) continue;
    const place = `${above}${field}`;
    if (typeof kind === "string") {
      if (!kinds[kind](value)) return `${place} ${shown(value)}, no ${kind}`;
    } else if (isList(kind)) {
      if (!kind.includes(value as string)) return `${place} ${shown(value)}, no ${kind.join(" or ")}`;
    } else {
      if (!kinds.object(value)) return `${place} ${shown(value)}, no object`;
      const wrong = wrongField(value as object, kind, `${place}.`);
      if (wrong) return wrong;
    }
  }
  return undefined;
}

const isList = (kind: Shape | readonly string[]): kind is readonly string[] => Array.isArray(kind);

const shown = (value: unknown): string => {
  if (Buffer.isBuffer(value)) return `of ${value.length} bytes`;
  const text = JSON.stringify(value) ?? String(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
};
