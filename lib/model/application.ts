import { inspect } from "node:util";
import { InapplicableProperty } from "./errors";
import { shared } from "./host-facts";
import { type AnyDefinition, asCode, type Nested, type PropApp, properties } from "./property";
import { applicationsIn, modulesIn } from "./schema";
import type { HostState } from "./types";

/** The definition called `name`. Throws `InapplicableProperty`, with similar names, when it does not exist. */
export function definitionOf(name: string): AnyDefinition {
  const property = properties.get(name);
  if (property) return property.definition;
  const near = properties.similar(name);
  const hint =
    near.length > 0 ? `did you mean ${near.join(" or ")}?` : "is the file that defines it in the consfig?";
  throw new InapplicableProperty(`there is no property ${name}; ${hint}`);
}

/** The applications directly inside `application`: its parts if it has any, else those among its arguments. */
export const innerOf = (application: PropApp): readonly PropApp[] =>
  application.parts ?? applicationsIn(definitionOf(application.property).args, application.args);

/** `application` and everything it may apply on the same target, without the contents of nested deployments. */
export function* appliedHere(application: PropApp): Generator<PropApp> {
  yield application;
  if (application.nested) return;
  for (const inner of innerOf(application)) yield* appliedHere(inner);
}

/** `application` and everything it may apply, including in nested deployments. */
export function* appliedAnywhere(application: PropApp): Generator<PropApp> {
  for (const each of appliedHere(application)) {
    yield each;
    if (each.nested) yield* appliedAnywhere(each.nested.application);
  }
}

/** What is declared of `host` and compared with it, newest first. */
export const declarationsOf = (host: HostState): readonly PropApp[] =>
  (host.attributes[shared.declarations.key] ?? []) as readonly PropApp[];

/** The host of a deployment, and those of the deployments nested in it. */
export const hostsIn = ({ application, host }: Pick<Nested, "application" | "host">): HostState[] => [
  host,
  ...[...appliedAnywhere(application)].flatMap(({ nested }) => (nested ? [nested.host] : [])),
];

/** True when `application` can be unapplied. */
export function unappliable(application: PropApp): boolean {
  const definition = definitionOf(application.property);
  if (definition.unappliable) return definition.unappliable(application.args, unappliable);
  if (application.nested) return false;
  if (definition.unapply) return true;
  if (definition.parts) return (application.parts ?? []).every(unappliable);
  return !definition.apply;
}

/** The names of everything an agent or worker must be sent before it can start. */
export type Required = [
  properties: ReadonlySet<string>,
  hops: ReadonlySet<string>,
  /** Modules of the consfig named in the arguments of properties. */
  modules: ReadonlySet<string>,
];

export function requiredBy({ application, hops, host }: Omit<Nested, "expected">): Required {
  const all = [...appliedAnywhere(application)];
  const declarations = hostsIn({ application, host }).flatMap(declarationsOf);
  const chains = [hops, ...all.flatMap(({ nested }) => (nested ? [nested.hops] : []))];
  return [
    new Set([...all, ...declarations].map(({ property }) => property)),
    new Set(chains.flat().map(({ hop }) => hop)),
    new Set(all.flatMap(modulesOf)),
  ];
}

/** The modules that `application` itself names in its arguments. */
export const modulesOf = ({ property, args }: PropApp): readonly string[] =>
  modulesIn(definitionOf(property).args, args);

/** `application` for a message: the code that the user wrote, and its location. */
export function asWritten(application: PropApp): string {
  let origin = application;
  for (let before = origins.get(origin); before; before = origins.get(origin)) origin = before;
  const code = Object.hasOwn(origin, "site") ? asCode(origin.property, [origin.args]) : inspect(origin);
  return `${code} at ${origin.site}`;
}

/** Records that `prepared` was made from `application`, so that messages show what the user wrote. */
export const recordOrigin = (prepared: PropApp, application: PropApp): void =>
  void origins.set(prepared, application);

const origins = new WeakMap<PropApp, PropApp>();
