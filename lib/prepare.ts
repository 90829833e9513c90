import { inspect } from "node:util";
import { InapplicableProperty, Refused } from "./errors";
import { type Host, HostModel, shared } from "./host";
import { type AnyDefinition, asCode, type Kind, type PropApp, properties, withoutNothings } from "./property";
import { applicationsIn, list, mapApplications, problems, propapp } from "./schema";

/** A host ready to be applied: nothing in it needs the consfig any more, but for the code of its properties. */
export interface PreparedHost {
  readonly name: string;
  readonly model: HostModel;
  readonly application: PropApp;
  /** The highest kind of all its parts. */
  readonly kind: Kind;
  /** Those that need an agent, for the refusal when there is none. */
  readonly agentOnly: readonly PropApp[];
  /** Names of all properties in it: what must travel. */
  readonly properties: ReadonlySet<string>;
  /** How many steps applying it will announce. */
  readonly steps: number;
}

/**
 * Prepares `application` for `host`: every `preprocess`, then every `hostattrs`, in order, nobody being connected to.
 * Throws `Refused` with every complaint at once, each with the line it comes from.
 */
export function prepare(
  host: Pick<Host, "name">,
  application: PropApp,
  model = HostModel.named(host.name),
): PreparedHost {
  const preparation = new Preparation();
  const prepared = preparation.preprocess(application);
  preparation.visit(prepared, model);
  if (preparation.complaints.length > 0) throw new Refused(host.name, preparation.complaints);
  const all = [...everything(prepared)];
  const agentOnly = all.filter(({ property }) => definitionOf(property).kind === "agent");
  return {
    name: model.newest(shared.hostname) ?? host.name,
    model,
    application: prepared,
    kind: agentOnly.length > 0 ? "agent" : "posix",
    agentOnly,
    properties: new Set(all.map(({ property }) => property)),
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
  if (definition.unapply) return true;
  if (definition.parts) return (application.parts ?? []).every(unappliable);
  return !definition.apply;
}

/** `application`, and all that it may apply. */
export function* everything(application: PropApp): Generator<PropApp> {
  yield application;
  for (const inner of innerOf(application)) yield* everything(inner);
}

/** The applications directly inside `application`: what it is made of, else those among its arguments. */
export const innerOf = (application: PropApp): readonly PropApp[] =>
  application.parts ?? applicationsIn(definitionOf(application.property).args, application.args);

const partsSchema = list(propapp());

class Preparation {
  readonly complaints: string[] = [];
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
        const args = preprocess ? preprocess(application.args) : application.args;
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
      const { args, hostattrs, parts } = definitionOf(application.property);
      const visits = {
        visit: (inner: PropApp, other = model) => this.visit(inner, other),
        unappliable: (inner: PropApp) => this.#refusals.has(inner) || unappliable(inner),
      };
      if (hostattrs) hostattrs(application.args, model, visits);
      else if (!parts) for (const inner of applicationsIn(args, application.args)) this.visit(inner, model);
      if (!parts) return;
      const given = withoutNothings(parts(application.args, model));
      const complaints = problems(partsSchema, given, "parts");
      if (complaints.length > 0) throw new InapplicableProperty(complaints.join("; "));
      const made = given.map((part) => this.preprocess(part));
      for (const part of made) this.visit(part, model);
      (application as { parts?: readonly PropApp[] }).parts = made;
    });
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
