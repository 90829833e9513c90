import { types } from "node:util";
import type { Scope } from "./scope";

/** The member `name` of `value`; undefined if reading it would run code, such as a getter. */
export function memberOf(value: unknown, name: string): unknown {
  for (const owner of owners(value)) {
    const descriptor = Object.getOwnPropertyDescriptor(owner, name);
    if (!descriptor) continue;
    if ("value" in descriptor) return descriptor.value;
    return isModule(owner) ? descriptor.get?.call(owner) : undefined;
  }
  return undefined;
}

/** The value of `a.b.c`, if it can be read without running code. */
export function valueNamed(chain: string, scope: Pick<Scope, "has" | "get">): unknown {
  const [first = "", ...rest] = chain.split(/\s*\??\.\s*/);
  let value: unknown;
  try {
    value = scope.has(first) ? scope.get(first) : memberOf(globalThis, first);
  } catch {
    return undefined; // declared, but not assigned yet
  }
  for (const name of rest) value = memberOf(value, name);
  return value;
}

/** The member names of `value`, its own first, without those that every object has. */
export function memberNames(value: unknown): string[] {
  const names = owners(value)
    .filter((owner) => owner !== Object.prototype && owner !== Function.prototype)
    .flatMap((owner) => Object.getOwnPropertyNames(owner));
  const hidden =
    typeof value === "function"
      ? new Set(["length", "name", "prototype", "arguments", "caller"])
      : new Set(["constructor"]);
  return [...new Set(names)].filter(
    (name) => /^[\p{ID_Start}$][\p{ID_Continue}$]*$/u.test(name) && !hidden.has(name),
  );
}

/** `value` and its prototypes, up to the first proxy: its traps would run code. */
function owners(value: unknown): object[] {
  const chain: object[] = [];
  let owner: unknown = typeof value === "object" || typeof value === "function" ? value : wrapper(value);
  while (owner !== null && owner !== undefined && !types.isProxy(owner)) {
    chain.push(owner as object);
    owner = Object.getPrototypeOf(owner);
  }
  return chain;
}

const wrapper = (value: unknown): object | undefined =>
  value === undefined || value === null ? undefined : (Object(value) as object);

/** Re-exports of a compiled module are getters without side effects. */
const isModule = (owner: object): boolean =>
  types.isModuleNamespaceObject(owner) ||
  Object.getOwnPropertyDescriptor(owner, "__esModule")?.value === true;
