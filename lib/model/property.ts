import { inspect } from "node:util";
import { definitionComplaints } from "./definition-checks";
import { refuseArguments } from "./errors";
import type { HostModel } from "./host-facts";
import { frozenCopy, notPlainData } from "./plain-data";
import { Registry } from "./registry";
import { problems, type Schema } from "./schema";
import { callSite, type Site } from "./site";
import type { AgentTarget, PosixTarget } from "./target";
import type { Change, Direction, Hop, Kind, MaybePropApp, PropApp } from "./types";

export {
  type Change,
  type Direction,
  type Kind,
  type MaybePropApp,
  type Nested,
  type PropApp,
  withoutEmpty,
} from "./types";

type TargetOf<K extends Kind> = K extends "agent" ? AgentTarget : PosixTarget;

/** What is to be nested, before it is prepared. Without a host it is the same host: as it is known at that point. */
export interface NestedPlan {
  readonly hops: readonly Hop[];
  readonly application: PropApp;
  readonly host?: HostModel;
  /** Visited before `application` for the facts it records, and not applied. */
  readonly facts?: PropApp;
}

/**
 * How a property acts on the applications among its arguments, and on those that it makes itself. One that was not
 * prepared with the host is prepared on a copy of the host's facts: what it would record there is lost, and that is said.
 */
export interface Steps {
  /** Applies `application` as a step of its own; throws what it throws. */
  apply(application: PropApp): Promise<Change>;
  unapply(application: PropApp): Promise<Change>;
  /** As `apply`, but a failure is reported and passed over. "failed" counts as a change, "aborted" does not. */
  attempt(application: PropApp, direction?: Direction): Promise<Change | "failed" | "aborted">;
  /** Says that `application` is passed over, and why. */
  skip(application: PropApp, reason: string, direction?: Direction): void;
  /** The same steps, done in another way. */
  within(way: StepOptions): Steps;
  /** True once a step in here may have changed something. */
  readonly touched: boolean;
  /** Whether somebody around these steps `expects` the error: then it ends them too, and is no failure. */
  expects(error: unknown): boolean;
  /** Said to whoever watches the deployment. */
  notice(text: string): void;
}

/** What `Steps.within` alters. `desc` and `quiet` are for the applications given to it; the others for all below, too. */
export interface StepOptions {
  /** What each application is called in place of its own description; it is announced, inline or not. */
  readonly desc?: string;
  /** True: the applications are no steps of their own, unless they fail. */
  readonly quiet?: boolean;
  /** The target that a step acts on, made of the one it would act on. */
  readonly target?: (target: PosixTarget) => PosixTarget;
  /**
   * An error that is to be expected: the step that ends with it was skipped, and has not failed. The name of its class,
   * or of one that it extends; or what is true of it, which cannot be asked in deployments that are nested here.
   */
  readonly expects?: string | ((error: unknown) => boolean);
  /**
   * Done each time before something may be changed: inside the step, when its `check` has said that it does not hold.
   * `checked` is false for a property that has no `check`, and only finds out in `apply`.
   */
  readonly beforeChange?: (steps: Steps, checked: boolean) => Promise<void>;
}

/** How a property visits the applications among its arguments while a host is prepared. */
export interface Visits {
  /** Runs the `hostattrs` of `application` and of its parts. */
  visit(application: PropApp, host?: HostModel): void;
  /** Whether `application` can be unapplied. */
  unappliable(application: PropApp): boolean;
}

/** One property. Slots stand in this order everywhere. */
export interface Definition<A, P extends unknown[], K extends Kind> {
  /** `module.export`: the wire name, and what is grepped. */
  readonly name: string;
  readonly kind: K;
  readonly args: Schema<A>;
  /** How it is written in a consfig. Left out, the property takes its `args` object. */
  readonly call?: (...params: P) => NoInfer<A>;
  /** A line for people. Left out: the property as code. */
  readonly desc?: (args: A) => string;
  /** True: not announced as a step of its own; its parts are. */
  readonly inline?: boolean;
  /** The arguments that all other slots see. Pure; run once, before any combinator acts. */
  readonly preprocess?: (args: A) => NoInfer<A>;
  /**
   * Before any connection: record facts about the host, or refuse by throwing `InapplicableProperty`. Left out, the
   * applications among the arguments are visited in order, unless there are `parts`.
   */
  readonly hostattrs?: (args: A, host: HostModel, visits: Visits) => void;
  /** What this property is made of; computed once, after `hostattrs`. Such a property has no `apply` of its own. */
  readonly parts?: (args: A, host: HostModel) => readonly MaybePropApp[];
  /** The deployment that this property makes; computed once, after `hostattrs`. It stands in place of `parts`. */
  readonly nested?: (args: A, host: HostModel) => NestedPlan | undefined;
  /** True when it holds already; a plan asks this and nothing else. */
  readonly check?: (args: A, target: TargetOf<K>) => Promise<boolean>;
  readonly apply?: (args: A, target: TargetOf<K>, steps: Steps) => Promise<Change>;
  readonly unapply?: (args: A, target: TargetOf<K>, steps: Steps) => Promise<Change>;
  /** Whether it can be unapplied, where that depends on the arguments. Left out: whether `unapply` or `parts` is there. */
  readonly unappliable?: (args: A, each: (application: PropApp) => boolean) => boolean;
  /** Of an inline property: says what it passes over. Left out, that is each of the applications among its arguments. */
  readonly skip?: (
    args: A,
    steps: Pick<Steps, "skip" | "within">,
    reason: string,
    direction: Direction,
  ) => void;
}

export type AnyDefinition = Definition<unknown, unknown[], Kind>;

/** A property as used in a consfig: calling it is pure, and says it of a host. */
export interface Property<P extends unknown[]> {
  (...params: P): PropApp;
  readonly definition: AnyDefinition;
}

/** Every property loaded, by name. */
export const properties = new Registry<Property<never>>("property");

/**
 * Defines a property and registers it under its name. Throws `DuplicateName` when another file has that name, and
 * `InvalidArguments` for what is no definition, such as one with a slot that there is not.
 */
export function defprop<A, P extends unknown[] = [args: A], const K extends Kind = Kind>(
  definition: Definition<A, P, K>,
): Property<P> {
  return register(definition, callSite(), defprop);
}

/** A property made of others, in order; the first failure stops the rest. Its kind is that of its parts. */
export type ListDefinition<A, P extends unknown[]> = Omit<
  Definition<A, P, "posix">,
  "kind" | "apply" | "parts"
> &
  Required<Pick<Definition<A, P, "posix">, "parts">>;

/** Defines a property computed from its arguments as a list of others. */
export function defproplist<A, P extends unknown[] = [args: A]>(
  definition: ListDefinition<A, P>,
): Property<P> {
  return register({ kind: "posix", ...definition }, callSite(), defproplist);
}

function register<A, P extends unknown[], K extends Kind>(
  definition: Definition<A, P, K>,
  site: Site,
  definer: Function,
): Property<P> {
  const { name, call, args: schema } = definition;
  refuseArguments(`${definer.name} of ${name}`, definitionComplaints(definition), definer);
  const construct = (...params: P): PropApp => {
    const args = call ? call(...params) : (params[0] ?? {});
    const fits = problems(schema, args);
    refuseArguments(name, fits.length > 0 ? fits : notPlainData([args], "args"), construct);
    return new Application(name, args, callSite(), params);
  };
  Object.defineProperty(construct, "name", { value: name });
  const property = Object.assign(construct, { definition: definition as unknown as AnyDefinition });
  properties.define(name, property as unknown as Property<never>, site);
  return property;
}

/** An application as made by a call. Prints as the code that makes it. */
class Application implements PropApp {
  readonly property: string;
  readonly args: unknown;
  readonly #site: Site;
  readonly #params: readonly unknown[];

  constructor(property: string, args: unknown, site: Site, params: readonly unknown[]) {
    this.property = property;
    this.args = frozenCopy(args);
    this.#site = site;
    this.#params = frozenCopy(params);
    Object.freeze(this);
  }

  get site(): string {
    return this.#site.toString();
  }

  toJSON(): PropApp {
    return { property: this.property, args: this.args, site: this.site };
  }

  [inspect.custom](): string {
    return asCode(this.property, this.#params);
  }
}

/** `name(…)` as it would be typed. */
export const asCode = (name: string, params: readonly unknown[]): string =>
  `${name}(${params.map(valueAsCode).join(", ")})`;

/** `value` as it would be typed: on one line, and all of it. */
export const valueAsCode = (value: unknown): string =>
  inspect(value, {
    depth: null,
    breakLength: Number.POSITIVE_INFINITY,
    compact: true,
    maxArrayLength: null,
    maxStringLength: null,
  });
