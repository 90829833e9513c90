import { inspect } from "node:util";
import type { AgentArtifacts } from "./agent-artifacts";
import type { Connection } from "./connection";
import { hopComplaints } from "./definition-checks";
import { ConnectionFailed, refuseArguments } from "./errors";
import type { Progress } from "./events";
import type { HostFacts } from "./host-facts";
import { frozenCopy, notPlainData } from "./plain-data";
import { asCode } from "./property";
import { Registry } from "./registry";
import { problems, type Schema } from "./schema";
import { callSite, type Site } from "./site";
import { type Hop, type MaybePropApp, type PropApp, withoutEmpty } from "./types";

export type { Hop } from "./types";

/** What asks the person at the terminal; absent when nobody is there, and then a question is a refusal. */
export interface Asker {
  /** A line typed without echo, or undefined when the person declines. */
  secret(question: string): Promise<string | undefined>;
  /** Whether the person says yes. */
  confirm(question: string): Promise<boolean>;
}

/** What a hop is opened with. */
export interface HopContext {
  /** The hop before it; for the first, this machine. */
  readonly parent: Connection;
  readonly host: HostFacts;
  readonly ask: Asker | undefined;
  readonly signal: AbortSignal;
  /** What an agent is started with. */
  readonly artifacts: AgentArtifacts;
  progress(event: Progress): void;
}

/** One sort of hop. */
export interface HopDefinition<A, P extends unknown[]> {
  /** As in `via.name(…)`. */
  readonly name: string;
  readonly args: Schema<A>;
  readonly call?: (...params: P) => NoInfer<A>;
  /** True: this hop is our own process on the far side, which takes over the rest of the work. */
  readonly agent?: boolean;
  /** True: it is about the machine that the person sits at, and nothing can stand before it. */
  readonly first?: boolean;
  /** Opens it. Throws `ConnectionFailed`, naming the hop and what it ran. */
  readonly open: (args: A, context: HopContext) => Promise<Connection>;
  /**
   * How a process of ours gets inside, from one that stands before it: what such a worker does is done by a new,
   * pristine worker there. Left out, or undefined, or where Node cannot run inside: `open`, and a shell.
   */
  readonly enter?: (args: A, context: EnterContext) => Promise<Entrance | undefined>;
}

/** What a hop is entered with, by a worker. */
export interface EnterContext {
  /** A shell here. */
  readonly parent: Connection;
  /** Who the worker is. */
  readonly uid: number;
}

/** A way into a narrower context, as shell text. It is run in a mount namespace of its own. */
export interface Entrance {
  /** True: processes outside cannot be seen from inside. */
  readonly ownProcesses?: boolean;
  /**
   * Prepares the context, and ends in becoming the worker: `exec … "$@"`. What `$@` names stands below
   * `/proc/tty/ldisc` (`KIT_PLACE`), which must be made visible inside under that very name.
   */
  readonly script: string;
}

export type AnyHopDefinition = HopDefinition<unknown, unknown[]>;

/** Every sort of hop, by name. */
export const hops = new Registry<AnyHopDefinition>("hop");

/** A hop anywhere between others. For the compiler only; so made that a list of some hops takes the others as well. */
export interface Link {
  readonly link?: true;
}
/** A hop that is a process of ours. */
export interface AgentRole extends Link {
  readonly agent?: true;
}
/** A hop that nothing can stand before. */
export interface FirstRole extends Link {
  readonly first?: true;
}
/** A hop of which the compiler knows where it may stand. */
export interface HopOf<R extends Link> extends Hop {
  "~role"?(role: R): void;
}

/**
 * Defines a sort of hop, and gives the function by which a consfig says it. Throws `DuplicateName` when another file has
 * that name, and `InvalidArguments` for what is no definition, such as one with a slot that there is not.
 */
export function defhop<A, P extends unknown[] = [args?: A]>(
  definition: HopDefinition<A, P> & { readonly agent: true },
): (...params: P) => HopOf<AgentRole>;
export function defhop<A, P extends unknown[] = [args?: A]>(
  definition: HopDefinition<A, P> & { readonly first: true },
): (...params: P) => HopOf<FirstRole>;
export function defhop<A, P extends unknown[] = [args?: A]>(
  definition: HopDefinition<A, P>,
): (...params: P) => HopOf<Link>;
export function defhop<A, P extends unknown[] = [args?: A]>(
  definition: HopDefinition<A, P>,
): (...params: P) => Hop {
  const { name, call, args: schema } = definition;
  refuseArguments(`defhop of ${name}`, hopComplaints(definition), defhop);
  const construct = (...params: P): Hop => {
    const args = call ? call(...params) : (params[0] ?? {});
    const fits = problems(schema, args);
    refuseArguments(`via.${name}`, fits.length > 0 ? fits : notPlainData([args], "args"), construct);
    return new SaidHop(name, args, callSite(), params);
  };
  hops.define(name, definition as unknown as AnyHopDefinition, callSite());
  return Object.defineProperty(construct, "name", { value: name });
}

/** The definition of `hop`. Throws `ConnectionFailed` when there is none. */
export function hopDefinition({ hop }: Hop): AnyHopDefinition {
  const definition = hops.get(hop);
  if (definition) return definition;
  const names = hops.names().map((name) => `via.${name}`);
  throw new ConnectionFailed(`via.${hop}`, `there is no such hop; there are ${names.join(", ")}`);
}

export const isHop = (value: unknown): value is Hop =>
  typeof value === "object" && value !== null && "hop" in value;

/** The hops in what was passed to a function that takes hops and applications, and the rest without what a condition left out. */
export function separateHops(rest: readonly (Hop | readonly Hop[] | MaybePropApp)[]): {
  hops: Hop[];
  others: PropApp[];
} {
  const given = withoutEmpty(rest.flat() as MaybePropApp[]);
  const isGivenHop = (each: unknown): each is Hop => isHop(each);
  return {
    hops: (given as readonly (Hop | PropApp)[]).filter(isGivenHop),
    others: given.filter((each) => !isGivenHop(each)),
  };
}

/** Prints as the code that makes it. */
class SaidHop implements Hop {
  readonly args: unknown;
  readonly #site: Site;
  readonly #params: readonly unknown[];

  constructor(
    readonly hop: string,
    args: unknown,
    site: Site,
    params: readonly unknown[],
  ) {
    this.args = frozenCopy(args);
    this.#site = site;
    this.#params = frozenCopy(params);
    Object.freeze(this);
  }

  get site(): string {
    return this.#site.toString();
  }

  toJSON(): Hop {
    return { hop: this.hop, args: this.args, site: this.site, code: inspect(this) };
  }

  [inspect.custom](): string {
    return asCode(`via.${this.hop}`, this.#params);
  }
}

/** `hop` as it would be typed, whether made here or arrived from elsewhere. */
export function hopAsCode(hop: Hop): string {
  if (hop instanceof SaidHop) return inspect(hop);
  if (hop.code !== undefined) return hop.code;
  const bare = typeof hop.args === "object" && hop.args !== null && Object.keys(hop.args).length === 0;
  return asCode(`via.${hop.hop}`, bare ? [] : [hop.args]);
}
