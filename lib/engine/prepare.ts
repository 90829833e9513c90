import {
  appliedAnywhere,
  appliedHere,
  asWritten,
  definitionOf,
  madeFrom,
  requiredBy,
  unappliable,
} from "../model/application";
import { InapplicableProperty, Refused } from "../model/errors";
import { type Host, HostModel, shared } from "../model/host";
import { notPlainData } from "../model/plain-data";
import { type Kind, type Nested, type NestedPlan, type PropApp, withoutEmpty } from "../model/property";
import { applicationsIn, list, mapApplications, mapModules, problems, propapp } from "../model/schema";
import { moduleFrom } from "./module-path";
import { preparationCache } from "./preparation-cache";

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
  const prepared = preparationCache.during(host.name, model, () => {
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
  const all = [...appliedAnywhere(application)];
  const [names, hops] = requiredBy({ application, hops: [] });
  const agentOnly = [...appliedHere(application)].filter(
    ({ property }) => definitionOf(property).kind === "agent",
  );
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
        const made = preprocess ? [...problems(schema, args), ...notPlainData([args], "args")] : [];
        if (made.length > 0)
          throw new InapplicableProperty(`preprocess made what does not fit: ${made.join("; ")}`);
        const prepared = {
          property,
          args: mapApplications(schema, args, (inner) => this.preprocess(inner)),
          site,
        };
        madeFrom(prepared, application);
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
      const given = withoutEmpty(listed);
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
    else around.copyFacts(inner, shared.data);
    around.pushNew(shared.data, ...inner.all(shared.data));
    this.#finishers.push(() => {
      if (!host) inner.copyFacts(around, shared.data);
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
      this.complaints.push(`${asWritten(application)}: ${kind}${message}`);
      return undefined;
    }
  }
}
