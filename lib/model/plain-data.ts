/** Plain data: values that can be printed, sent and stored as JSON. */

/** The members of `values` that are not plain data, as one message with their paths; empty when all are. */
export function notPlainData(values: readonly unknown[], name: string): string[] {
  const found = values.flatMap((value) => [...notPlain(value, name)]);
  return found.length === 0
    ? []
    : [
        `${found.join(", ")}; only strings, numbers, booleans, null, arrays and plain objects can be sent and stored`,
      ];
}

function* notPlain(value: unknown, name: string, around: readonly unknown[] = []): Generator<string> {
  if (typeof value !== "object") {
    const plain = ["string", "boolean"].includes(typeof value) || Number.isFinite(value);
    if (!plain)
      yield `${name} is ${typeof value === "function" || typeof value === "symbol" ? `a ${typeof value}` : String(value)}`;
  } else if (value === null || isModelValue(value)) {
    return;
  } else if (around.includes(value)) {
    yield `${name} contains itself`;
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries())
      yield* notPlain(item, `${name}[${index}]`, [...around, value]);
  } else if (!isRecord(value)) {
    yield `${name} is a ${value.constructor.name}`;
  } else {
    for (const [key, item] of Object.entries(value))
      if (item !== undefined) yield* notPlain(item, memberOf(name, key), [...around, value]);
  }
}

/**
 * A deeply frozen copy, so that the caller may still change the original. Applications and hops are kept as they are:
 * they are frozen already, except those being prepared, which still get their parts.
 */
export function frozenCopy<T>(value: T, around: readonly unknown[] = []): T {
  if (typeof value !== "object" || value === null || isModelValue(value) || around.includes(value))
    return value;
  const copied = (inner: unknown) => frozenCopy(inner, [...around, value]);
  if (Array.isArray(value)) return Object.freeze(value.map(copied)) as T;
  if (!isRecord(value)) return value;
  const copies = Object.entries(value).map(([key, item]) => [key, copied(item)] as const);
  return Object.freeze(Object.fromEntries(copies)) as T;
}

/** An application or a hop. */
const isModelValue = (value: object): boolean => "args" in value && ("property" in value || "hop" in value);

/** True for an object made by a literal, in any JavaScript context. */
function isRecord(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

const memberOf = (name: string, key: string): string =>
  /^[\w$]+$/.test(key) ? `${name}.${key}` : `${name}[${JSON.stringify(key)}]`;
