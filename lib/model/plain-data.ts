/** Values as they can be printed, sent and stored: what JSON has. */

/** What is no plain value in `values`, with the places, as `problems` says it; nothing when all of it is. */
export function notPlainData(values: readonly unknown[], name: string): string[] {
  const found = values.flatMap((value) => [...strange(value, name)]);
  return found.length === 0
    ? []
    : [
        `${found.join(", ")}: only text, numbers, true, false, null, lists and plain objects can be sent and stored`,
      ];
}

function* strange(value: unknown, name: string, around: readonly unknown[] = []): Generator<string> {
  if (typeof value !== "object") {
    const plain = ["string", "boolean"].includes(typeof value) || Number.isFinite(value);
    if (!plain)
      yield `${name} is ${typeof value === "function" || typeof value === "symbol" ? `a ${typeof value}` : String(value)}`;
  } else if (value === null || isSaid(value)) {
    return;
  } else if (around.includes(value)) {
    yield `${name} is a part of itself`;
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries())
      yield* strange(item, `${name}[${index}]`, [...around, value]);
  } else if (!isRecord(value)) {
    yield `${name} is a ${value.constructor.name}`;
  } else {
    for (const [key, item] of Object.entries(value))
      if (item !== undefined) yield* strange(item, memberOf(name, key), [...around, value]);
  }
}

/**
 * A copy that nothing can change: what was given stays its owner's. Applications and hops are values already, and those
 * that are being prepared get what they are made of later.
 */
export function frozenCopy<T>(value: T, around: readonly unknown[] = []): T {
  if (typeof value !== "object" || value === null || isSaid(value) || around.includes(value)) return value;
  const copied = (inner: unknown) => frozenCopy(inner, [...around, value]);
  if (Array.isArray(value)) return Object.freeze(value.map(copied)) as T;
  if (!isRecord(value)) return value;
  const copies = Object.entries(value).map(([key, item]) => [key, copied(item)] as const);
  return Object.freeze(Object.fromEntries(copies)) as T;
}

/** An application or a hop. */
const isSaid = (value: object): boolean => "args" in value && ("property" in value || "hop" in value);

/** An object as a literal makes it, wherever that was evaluated. */
function isRecord(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

const memberOf = (name: string, key: string): string =>
  /^[\w$]+$/.test(key) ? `${name}.${key}` : `${name}[${JSON.stringify(key)}]`;
