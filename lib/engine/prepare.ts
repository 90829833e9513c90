import {
  appliedAnywhere,
  appliedHere,
  asWritten,
  definitionOf,
  recordOrigin,
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

/** A host ready to be applied. From here on only the code of its properties is needed from the consfig. */
export interface PreparedHost {
  readonly name: string;
  readonly model: HostModel;
  readonly application: PropApp;
  /** "agent" if any of its properties is of that kind. */
  readonly kind: Kind;
  /** The applications that need an agent, for the refusal when there is none. */
  readonly agentOnly: readonly PropApp[];
  /** Names of all properties in it, and of all hops of its nested deployments: their code must be sent. */
  readonly properties: ReadonlySet<string>;
  readonly hops: ReadonlySet<string>;
  /** The number of steps it will report. */
  readonly steps: number;
}

/**
 * Prepares `application` for `host`, before connecting: runs every `preprocess`, then every `hostattrs`, in order. Throws
 * `Refused` with all complaints, each with its location in the consfig.
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

/** The prepared host with the facts `model` and the prepared tree `application`. */
export function preparedHost(name: string, model: HostModel, application: PropApp): PreparedHost {
  const all = [...appliedAnywhere(application)];
  const [names, hops] = requiredBy({ application, hops: [], host: model.toJSON() });
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

const declarationOf = ({ property, args, site }: PropApp): PropApp => ({ property, args, site });

/** `result`, unless it is a promise: these slots run before connecting, when there is nothing to wait for. */
function synchronous<T>(result: T, slot: string): T {
  if (typeof result !== "object" || result === null || !("then" in result)) return result;
  // A rejection would be reported as unhandled, on top of the refusal.
  Promise.resolve(result).catch(() => {});
  throw new InapplicableProperty(
    `its ${slot} is async; it runs before connecting and must return its result synchronously`,
  );
}

class Preparation {
  readonly complaints: string[] = [];
  readonly #finishers: (() => void)[] = [];
  readonly #refusals = new WeakSet<PropApp>();
  readonly #prepared = new WeakSet<PropApp>();

  /**
   * A new tree in which every application has the arguments returned by its `preprocess`. Parts often contain
   * applications from the arguments, which have been preprocessed already.
   */
  preprocess(application: PropApp): PropApp {
    if (this.#prepared.has(application)) return application;
    const { property, site } = application;
    return (
      this.#collectComplaints(application, () => {
        const { args: schema, preprocess } = definitionOf(property);
        const complaints = problems(schema, application.args);
        if (complaints.length > 0) throw new InapplicableProperty(complaints.join("; "));
        const given = mapModules(schema, application.args, (module) => moduleFrom(module, site));
        const args = preprocess ? synchronous(preprocess(given), "preprocess") : given;
        const made = preprocess ? [...problems(schema, args), ...notPlainData([args], "args")] : [];
        if (made.length > 0)
          throw new InapplicableProperty(`its preprocess returned invalid arguments: ${made.join("; ")}`);
        const prepared = {
          property,
          args: mapApplications(schema, args, (inner) => this.preprocess(inner)),
          site,
        };
        recordOrigin(prepared, application);
        this.#prepared.add(prepared);
        return prepared;
      }) ?? this.#refused(application)
    );
  }

  /** `application`, which a property visits: it must be among the arguments, which have been preprocessed. */
  #given(application: PropApp): PropApp {
    if (this.#prepared.has(application) || this.#refusals.has(application)) return application;
    throw new InapplicableProperty(
      `its hostattrs visits ${asWritten(application)}, which is not among its arguments; give it as one, with schema.propapp()`,
    );
  }

  /** An application with a complaint is not visited. */
  #refused(application: PropApp): PropApp {
    this.#refusals.add(application);
    return application;
  }

  /** Runs the `hostattrs` of `application`, then computes its parts or its nested deployment. */
  visit(application: PropApp, model: HostModel): void {
    if (this.#refusals.has(application)) return;
    this.#collectComplaints(application, () => {
      const { args, hostattrs, mismatch, parts, nested } = definitionOf(application.property);
      const visits = {
        visit: (inner: PropApp, other = model) => this.visit(this.#given(inner), other),
        unappliable: (inner: PropApp) => this.#refusals.has(inner) || unappliable(inner),
      };
      if (hostattrs) synchronous(hostattrs(application.args, model, visits), "hostattrs");
      else if (!parts && !nested)
        for (const inner of applicationsIn(args, application.args)) this.visit(inner, model);
      if (mismatch) model.push(shared.declarations, declarationOf(application));
      const plan = synchronous(nested?.(application.args, model), "nested");
      if (plan) return this.#nest(application, plan, model);
      if (!parts) return;
      const listed = synchronous(parts(application.args, model), "parts");
      const given = withoutEmpty(listed);
      const complaints = problems(partsSchema, given, "parts");
      if (complaints.length > 0) throw new InapplicableProperty(complaints.join("; "));
      const made = given.map((part) => this.preprocess(part));
      for (const part of made) this.visit(part, model);
      (application as { parts?: readonly PropApp[] }).parts = made;
    });
  }

  /**
   * Facts pushed by a nested deployment of the same host are visible to the applications after it, and facts pushed later
   * are finally visible inside it. It gets only its own prerequisite data; the host around it needs that too, to pass on.
   */
  #nest(
    application: PropApp,
    { hops, application: inside, host, facts }: NestedPlan,
    around: HostModel,
  ): void {
    const whole = host ?? around.forAnother();
    if (facts) this.visit(this.preprocess(facts), whole);
    const inner = facts ? whole.forAnother() : whole;
    const prepared = this.preprocess(inside);
    this.visit(prepared, inner);
    if (host) around.deploys(inner);
    else around.copyFacts(inner);
    around.pushNew(shared.data, ...inner.all(shared.data));
    this.#finishers.push(() => {
      if (!host) inner.copyFacts(around);
      // On the same host nothing is compared twice.
      const facts = host ? inner : inner.without(shared.declarations);
      const nested: Nested = { hops, host: facts.toJSON(), application: prepared };
      (application as { nested?: Nested }).nested = nested;
    });
    (application as { nested?: Nested }).nested = { hops, host: inner.toJSON(), application: prepared };
  }

  /** Call when everything has been visited. */
  finish(): void {
    for (const finish of this.#finishers) finish();
  }

  /** The result of `act`; undefined when it throws, which is recorded so that all complaints are reported together. */
  #collectComplaints<T>(application: PropApp, act: () => T): T | undefined {
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
