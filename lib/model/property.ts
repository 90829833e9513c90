import { inspect } from "node:util";
import { parametersOf } from "../util/parameters";
import { argumentsOf } from "./_call";
import { octal } from "./_permission-bits";
import { definitionComplaints } from "./definition-checks";
import { refuseArguments } from "./errors";
import type { HostModel } from "./host-facts";
import { frozenCopy } from "./plain-data";
import { Registry } from "./registry";
import type { Row } from "./rows";
import { mapTagged, parametersAs, type Schema } from "./schema";
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

/** A nested deployment before it is prepared. Without a `host` it is the same host, with the facts known so far. */
export interface NestedPlan {
  readonly hops: readonly Hop[];
  readonly application: PropApp;
  readonly host?: HostModel;
  /** Visited before `application` for the facts it records, but not applied. */
  readonly facts?: PropApp;
}

/**
 * Lets a property apply the applications among its arguments, and those that it makes itself. An application that was
 * not prepared with the host is prepared on a copy of the host's facts: facts it records are lost, with a notice.
 */
export interface Steps {
  /** Applies `application` as a separate step. Throws the error of that step. */
  apply(application: PropApp): Promise<Change>;
  /** Unapplies `application` as a separate step. Throws `FailedChange` when it cannot be unapplied. */
  unapply(application: PropApp): Promise<Change>;
  /** As `apply`, but reports a failure instead of throwing it. Treat "failed" as a change, "aborted" as none. */
  attempt(application: PropApp, direction?: Direction): Promise<Change | "failed" | "aborted">;
  /** Reports `application` as skipped, with the reason. */
  skip(application: PropApp, reason: string, direction?: Direction): void;
  /** The same steps with further options. */
  within(options: StepOptions): Steps;
  /** The same steps, for what is done only if these steps have changed something: a plan then says so. */
  following(): Steps;
  /** True once one of these steps may have changed something. */
  readonly touched: boolean;
  /** True when an option `expects` around these steps matches the error: rethrow it; it does not count as a failure. */
  expects(error: unknown): boolean;
  /** Shows a message to the user who watches the deployment. */
  notice(text: string): void;
}

/**
 * Options of `Steps.within`. `desc` and `quiet` affect only the applications passed to those steps; the others also
 * affect everything inside them.
 */
export interface StepOptions {
  /** Replaces the description of each application. Inline applications are reported as steps then, too. */
  readonly desc?: string;
  /** True: the applications are not reported as steps unless they fail. */
  readonly quiet?: boolean;
  /** Replaces the target of each step; it receives the original one. */
  readonly target?: (target: PosixTarget) => PosixTarget;
  /**
   * An expected error: a step that ends with it is reported as skipped, not as failed. The name of its class or of a
   * base class; or a predicate, which has no effect in nested deployments.
   */
  readonly expects?: string | ((error: unknown) => boolean);
  /**
   * Runs inside each step before it may change something, after its `check` returned false. `checked` is false for a
   * property without `check`, which finds out in `apply` whether there is anything to change.
   */
  readonly beforeChange?: (steps: Steps, checked: boolean) => Promise<void>;
}

/** Lets a property visit the applications among its arguments while a host is prepared. */
export interface Visits {
  /** Runs the `hostattrs` of `application` and of its parts, on the facts of `host` (default: the prepared host). */
  visit(application: PropApp, host?: HostModel): void;
  /** True when `application` can be unapplied. */
  unappliable(application: PropApp): boolean;
}

/** The definition of a property. Write the slots in this order. */
export interface Definition<A, P extends unknown[], K extends Kind> {
  /** `module.export`, such as "file.containsLines". Unique; sent to agents and shown in reports. */
  readonly name: string;
  readonly kind: K;
  readonly args: Schema<A>;
  /** Converts the parameters of a call in a consfig to `args`. Default: the only parameter is `args`. */
  readonly call?: (...params: P) => NoInfer<A>;
  /** One line for the user. Default: the call as code. */
  readonly desc?: (args: A) => string;
  /** True: not reported as a step; its parts are. */
  readonly inline?: boolean;
  /** Returns the arguments that all other slots receive. Pure; runs once, before any combinator acts. */
  readonly preprocess?: (args: A) => NoInfer<A>;
  /**
   * Runs before connecting: records facts about the host, or refuses by throwing `InapplicableProperty`. Default: visits
   * the applications among the arguments in order, unless the definition has `parts` or `nested`.
   */
  readonly hostattrs?: (args: A, host: HostModel, visits: Visits) => void;
  /**
   * For a property that declares what the host is. Asked on the host before the first step of a deployment: resolves to
   * undefined unless the host is certainly something else, then to what was declared, what was found, and what to do. No
   * step is done then. Must not change anything.
   */
  readonly mismatch?: (args: A, target: TargetOf<K>) => Promise<string | undefined>;
  /** Returns the properties that make up this one; runs once, after `hostattrs`. Excludes `apply`. */
  readonly parts?: (args: A, host: HostModel) => readonly MaybePropApp[];
  /** Returns the deployment that this property makes; runs once, after `hostattrs`. If undefined, `parts` are used. */
  readonly nested?: (args: A, host: HostModel) => NestedPlan | undefined;
  /**
   * Resolves to true when the property already holds: `apply` is skipped then. It is asked again after `apply`: a property
   * that still does not hold has failed. Must not change anything.
   */
  readonly check?: (args: A, target: TargetOf<K>) => Promise<boolean>;
  /** Makes the property hold, and reports whether that changed anything. Throws when it fails. */
  readonly apply?: (args: A, target: TargetOf<K>, steps: Steps) => Promise<Change>;
  /**
   * Asked after `apply` instead of `check`: resolves to undefined when the property holds, else to what was seen instead.
   * For a property whose check is a condition, or whose failure has more to show.
   */
  readonly verify?: (args: A, target: TargetOf<K>) => Promise<string | undefined>;
  /** Only of a table: see `deftable`. */
  readonly rows?: (args: A, target: TargetOf<K>) => Promise<readonly Row[]>;
  /** Reverts the property, and reports whether that changed anything. */
  readonly unapply?: (args: A, target: TargetOf<K>, steps: Steps) => Promise<Change>;
  /**
   * True when the property can be unapplied, where that depends on the arguments. Default: it has `unapply`, its parts
   * can all be unapplied, or it only records facts.
   */
  readonly unappliable?: (args: A, each: (application: PropApp) => boolean) => boolean;
  /** For an inline property: reports what is skipped. Default: each application directly inside it. */
  readonly skip?: (
    args: A,
    steps: Pick<Steps, "skip" | "within">,
    reason: string,
    direction: Direction,
  ) => void;
}

export type AnyDefinition = Definition<unknown, unknown[], Kind>;

/** A property as used in a consfig: a pure function that returns an application. */
export interface Property<P extends unknown[]> {
  (...params: P): PropApp;
  readonly definition: AnyDefinition;
}

/** Every loaded property, by name. */
export const properties = new Registry<Property<never>>("property");

/**
 * Defines a property, registers it under its name, and returns the function that consfigs call. Throws `DuplicateName`
 * when another file defines the same name, and `InvalidArguments` for an invalid definition, such as one with an unknown
 * slot. The returned function throws `InvalidArguments` for arguments that do not match the schema.
 */
export function defprop<A, P extends unknown[] = [args: A], const K extends Kind = Kind>(
  definition: Definition<A, P, K>,
): Property<P> {
  return register(definition, callSite(), defprop);
}

/** A property made of other properties. Its kind is that of its parts. */
export type ListDefinition<A, P extends unknown[]> = Omit<
  Definition<A, P, "posix">,
  "kind" | "apply" | "parts"
> &
  Required<Pick<Definition<A, P, "posix">, "parts">>;

/**
 * Defines a property as a list of others, computed from its arguments. They are applied in order; the first failure stops
 * the rest. Throws as `defprop`.
 */
export function defproplist<A, P extends unknown[] = [args: A]>(
  definition: ListDefinition<A, P>,
): Property<P> {
  return register({ kind: "posix", ...definition }, callSite(), defproplist);
}

/** The names of the properties that a consfig may use: none that are private, and no tables. */
export const publicProperties = (): string[] =>
  properties
    .names()
    .filter((name) => !/(^|\.)_/.test(name) && properties.get(name)?.definition.rows === undefined);

/** Registers what `definer` was given, under its name. */
export function register<A, P extends unknown[], K extends Kind>(
  definition: Definition<A, P, K>,
  site: Site,
  definer: Function,
): Property<P> {
  const { name } = definition;
  refuseArguments(`${definer.name} of ${name}`, definitionComplaints(definition), definer);
  const construct = (...params: P): PropApp => {
    const args = argumentsOf(name, definition, params, construct);
    return new Application(name, args, callSite(), params);
  };
  Object.defineProperty(construct, "name", { value: name });
  const property = Object.assign(construct, { definition: definition as unknown as AnyDefinition });
  properties.define(name, property as unknown as Property<never>, site);
  return property;
}

/** The result of calling a property. Prints as the code that makes it. */
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
    return asCode(this.property, this.#params, properties.get(this.property)?.definition);
  }
}

/** `name(…)` as code. With the definition that takes `params`, permission bits are octal. */
export function asCode(
  name: string,
  params: readonly unknown[],
  definition?: Pick<AnyDefinition, "args" | "call">,
): string {
  if (!definition) return `${name}(${params.map(valueAsCode).join(", ")})`;
  const { call, args } = definition;
  const names = call ? parametersOf(call) : ["args"];
  const schemas = parametersAs(names, args);
  const shown = params.map((value, index) => withOctal(schemas[Math.min(index, names.length - 1)], value));
  return `${name}(${shown.map(valueAsCode).join(", ")})`;
}

/** A copy of `value` in which permission bits print as they are written. */
const withOctal = (schema: Schema<unknown> | undefined, value: unknown): unknown =>
  schema
    ? mapTagged("octal", schema, value, (bits) =>
        typeof bits === "number" ? { [inspect.custom]: () => octal(bits) } : bits,
      )
    : value;

/** `value` as code: on one line, unabridged. */
export const valueAsCode = (value: unknown): string =>
  inspect(value, {
    depth: null,
    breakLength: Number.POSITIVE_INFINITY,
    compact: true,
    maxArrayLength: null,
    maxStringLength: null,
  });
