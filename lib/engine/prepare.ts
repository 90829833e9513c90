import { inspect } from "node:util";
import { InapplicableProperty, Refused } from "../model/errors";
import { type Host, HostModel, shared } from "../model/host";
import { strangers } from "../model/plain-data";
import {
  type AnyDefinition,
  asCode,
  type Kind,
  type Nested,
  type NestedPlan,
  type PropApp,
  properties,
  withoutNothings,
} from "../model/property";
import {
  applicationsIn,
  list,
  mapApplications,
  mapModules,
  modulesIn,
  problems,
  propapp,
} from "../model/schema";
import { moduleFrom } from "./module-path";
import { underWay } from "./preparation-cache";

/** A host ready to be applied: nothing in it needs the consfig any more, but for the code of its properties. */
export interface PreparedHost {
  readonly name: string;
  readonly model: HostModel;
  readonly application: PropApp;
  /** The highest kind of all its parts. */
  readonly kind: Kind;
  /** Those that need an agent, for the refusal when there is none. */
  readonly agentOnly: readonly PropApp[];
  /** Names of all properties in it, and of all hops of deployments nested in it: what must travel. */
  readonly properties: ReadonlySet<string>;
  readonly hops: ReadonlySet<string>;
  /** How many steps applying it will announce. */
  readonly steps: number;
}

/**
 * Prepares `application` for `host`: every `preprocess`, then every `hostattrs`, in order, nobody being connected to.
 * Throws `Refused` with every complaint at once, each with the line it comes from.
 */
export function prepare(
  host: Pick<Host, "name"> & Partial<Pick<Host, "desc" | "hostattrs">>,
  application: PropApp,
  model = HostModel.of(host),
): PreparedHost {
  const preparation = new Preparation();
  const prepared = underWay.during(host.name, model, () => {
    const made = preparation.preprocess(application);
    preparation.visit(made, model);
    return made;
  });
  preparation.finish();
  if (preparation.complaints.length > 0) throw new Refused(host.name, preparation.complaints);
  return preparedHost(model.newest(shared.hostname) ?? host.name, model, prepared);
}

/** The host of which `model` is known, when the prepared tree `application` is applied. */
export function preparedHost(name: string, model: HostModel, application: PropApp): PreparedHost {
  const all = [...everything(application)];
  const [names, hops] = travelling({ application, hops: [] });
  const agentOnly = [...here(application)].filter(({ property }) => definitionOf(property).kind === "agent");
  return {
    name,
    model,
    application,
    kind: agentOnly.length > 0 ? "agent" : "posix",
    agentOnly,
    properties: names,
    hops,
    steps: all.filter(({ property }) => !definitionOf(property).inline).length,
  };
}

/** `application` as it stands in a message: as code, and where it was said. */
export const said = (application: PropApp): string => {
  let origin = application;
  for (let before = origins.get(origin); before; before = origins.get(origin)) origin = before;
  const code = Object.hasOwn(origin, "site") ? asCode(origin.property, [origin.args]) : inspect(origin);
  return `${code} at ${origin.site}`;
};

/** What a prepared application was made from: it knows how it was written. */
const origins = new WeakMap<PropApp, PropApp>();

/** The definition called `name`. Throws `InapplicableProperty`, with near names, when there is none. */
export function definitionOf(name: string): AnyDefinition {
  const property = properties.get(name);
  if (property) return property.definition;
  const near = properties.similar(name);
  const hint =
    near.length > 0 ? `did you mean ${near.join(" or ")}?` : "is the file that defines it in the consfig?";
  throw new InapplicableProperty(`there is no property ${name}; ${hint}`);
}

/** Whether `application` can be unapplied. */
export function unappliable(application: PropApp): boolean {
  const definition = definitionOf(application.property);
  if (definition.unappliable) return definition.unappliable(application.args, unappliable);
  if (application.nested) return false;
  if (definition.unapply) return true;
  if (definition.parts) return (application.parts ?? []).every(unappliable);
  return !definition.apply;
}

/** `application`, and all that it may apply, wherever that is. */
export function* everything(application: PropApp): Generator<PropApp> {
  for (const each of here(application)) {
    yield each;
    if (each.nested) yield* everything(each.nested.application);
  }
}

/** What must travel to whoever does `work`, by name: properties, hops, and modules that are said with properties. */
export type Travelling = [
  properties: ReadonlySet<string>,
  hops: ReadonlySet<string>,
  modules: ReadonlySet<string>,
];

export function travelling({ application, hops }: Pick<Nested, "application" | "hops">): Travelling {
  const all = [...everything(application)];
  const chains = [hops, ...all.flatMap(({ nested }) => (nested ? [nested.hops] : []))];
  return [
    new Set(all.map(({ property }) => property)),
    new Set(chains.flat().map(({ hop }) => hop)),
    new Set(all.flatMap(modulesOf)),
  ];
}

/** The modules that are said with `application` itself. */
export const modulesOf = ({ property, args }: PropApp): readonly string[] =>
  modulesIn(definitionOf(property).args, args);

/** `application`, and all that it may apply where it is applied itself. */
export function* here(application: PropApp): Generator<PropApp> {
  yield application;
  if (application.nested) return;
  for (const inner of innerOf(application)) yield* here(inner);
}

/** The applications directly inside `application`: what it is made of, else those among its arguments. */
export const innerOf = (application: PropApp): readonly PropApp[] =>
  application.parts ?? applicationsIn(definitionOf(application.property).args, application.args);

const partsSchema = list(propapp());

/** `answer`, if `slot` gave it at once: nobody is connected to yet, and there is nothing to wait for. */
function now<T>(answer: T, slot: string): T {
  if (typeof answer !== "object" || answer === null || !("then" in answer)) return answer;
  // What it rejects with is of no interest any more.
  Promise.resolve(answer).catch(() => {});
  throw new InapplicableProperty(
    `its ${slot} is async; it is asked before anybody is connected to, and must answer at once`,
  );
}

class Preparation {
  readonly complaints: string[] = [];
  readonly #finishers: (() => void)[] = [];
  readonly #refusals = new WeakSet<PropApp>();
  readonly #prepared = new WeakSet<PropApp>();

  /**
   * A fresh tree in which every application has the arguments that its `preprocess` makes. Parts are often made of
   * applications among the arguments: those have been here.
   */
  preprocess(application: PropApp): PropApp {
    if (this.#prepared.has(application)) return application;
    const { property, site } = application;
    return (
      this.#complaining(application, () => {
        const { args: schema, preprocess } = definitionOf(property);
        const complaints = problems(schema, application.args);
        if (complaints.length > 0) throw new InapplicableProperty(complaints.join("; "));
        const said = mapModules(schema, application.args, (module) => moduleFrom(module, site));
        const args = preprocess ? now(preprocess(said), "preprocess") : said;
        const made = preprocess ? [...problems(schema, args), ...strangers([args], "args")] : [];
        if (made.length > 0)
          throw new InapplicableProperty(`preprocess made what does not fit: ${made.join("; ")}`);
        const prepared = {
          property,
          args: mapApplications(schema, args, (inner) => this.preprocess(inner)),
          site,
        };
        origins.set(prepared, application);
        this.#prepared.add(prepared);
        return prepared;
      }) ?? this.#refused(application)
    );
  }

  /** What was complained of once need not be visited. */
  #refused(application: PropApp): PropApp {
    this.#refusals.add(application);
    return application;
  }

  /** Runs the `hostattrs` of `application`, then works out what it is made of. */
  visit(application: PropApp, model: HostModel): void {
    if (this.#refusals.has(application)) return;
    this.#complaining(application, () => {
      const { args, hostattrs, parts, nested } = definitionOf(application.property);
      const visits = {
        visit: (inner: PropApp, other = model) => this.visit(inner, other),
        unappliable: (inner: PropApp) => this.#refusals.has(inner) || unappliable(inner),
      };
      if (hostattrs) now(hostattrs(application.args, model, visits), "hostattrs");
      else if (!parts && !nested)
        for (const inner of applicationsIn(args, application.args)) this.visit(inner, model);
      const plan = now(nested?.(application.args, model), "nested");
      if (plan) return this.#nest(application, plan, model);
      if (!parts) return;
      const listed = now(parts(application.args, model), "parts");
      const given = withoutNothings(listed);
      const complaints = problems(partsSchema, given, "parts");
      if (complaints.length > 0) throw new InapplicableProperty(complaints.join("; "));
      const made = given.map((part) => this.preprocess(part));
      for (const part of made) this.visit(part, model);
      (application as { parts?: readonly PropApp[] }).parts = made;
    });
  }

  /**
   * What a nested deployment of the same host pushes is seen by what comes after it, and in the end it sees what was
   * pushed later. Of prerequisite data it gets its own only; the host around it needs that too, to pass it on.
   */
  #nest(application: PropApp, { hops, application: said, host, facts }: NestedPlan, around: HostModel): void {
    const whole = host ?? around.without(shared.data);
    if (facts) this.visit(this.preprocess(facts), whole);
    const inner = facts ? whole.without(shared.data) : whole;
    const prepared = this.preprocess(said);
    this.visit(prepared, inner);
    if (host) around.deploys(inner);
    else around.adopt(inner, shared.data);
    around.pushNew(shared.data, ...inner.all(shared.data));
    this.#finishers.push(() => {
      if (!host) inner.adopt(around, shared.data);
      const nested: Nested = { hops, host: inner.toJSON(), application: prepared };
      (application as { nested?: Nested }).nested = nested;
    });
    (application as { nested?: Nested }).nested = { hops, host: inner.toJSON(), application: prepared };
  }

  /** Done when everything has been visited. */
  finish(): void {
    for (const finish of this.#finishers) finish();
  }

  /** Complaints are collected, so that all of them can be said at once. */
  #complaining<T>(application: PropApp, act: () => T): T | undefined {
    try {
      return act();
    } catch (error) {
      const { name, message } = error instanceof Error ? error : new Error(String(error));
      const kind = error instanceof InapplicableProperty ? "" : `${name}: `;
      this.complaints.push(`${said(application)}: ${kind}${message}`);
      return undefined;
    }
  }
}
