import { inspect } from "node:util";
import { argumentsOf } from "./_call";
import type { AgentArtifacts } from "./agent-artifacts";
import type { Asker } from "./asker";
import type { Connection } from "./connection";
import { hopComplaints } from "./definition-checks";
import { ConnectionFailed, refuseArguments } from "./errors";
import type { Progress } from "./events";
import type { HostFacts } from "./host-facts";
import { frozenCopy } from "./plain-data";
import { asCode } from "./property";
import { Registry } from "./registry";
import type { Schema } from "./schema";
import { callSite, type Site } from "./site";
import { type Hop, type MaybePropApp, type PropApp, withoutEmpty } from "./types";

export type { Asker } from "./asker";
export type { Hop } from "./types";

/** The context in which a hop is opened. */
export interface HopContext {
  /** The connection of the hop before; for the first hop, this machine. */
  readonly parent: Connection;
  readonly host: HostFacts;
  readonly ask: Asker | undefined;
  readonly signal: AbortSignal;
  /** The files for starting an agent. */
  readonly artifacts: AgentArtifacts;
  progress(event: Progress): void;
}

/** The definition of a hop: how a type of connection is written and opened. */
export interface HopDefinition<A, P extends unknown[]> {
  /** As in `via.name(…)`. */
  readonly name: string;
  readonly args: Schema<A>;
  readonly call?: (...params: P) => NoInfer<A>;
  /** True: this hop is an agent, which takes over the rest of the deployment. */
  readonly agent?: boolean;
  /** True: this hop means the user's own machine and must be the first of its chain. */
  readonly first?: boolean;
  /** True: opening it may ask the user in its own words, as ssh does about host keys and passphrases. */
  readonly asks?: boolean;
  /** True: what is behind it ends with the connection, so an agent there is not remembered. */
  readonly ephemeral?: boolean;
  /** Opens the hop. Throws `ConnectionFailed`, naming the hop and the command it ran. */
  readonly open: (args: A, context: HopContext) => Promise<Connection>;
  /**
   * Lets a worker in front of this hop start a new, pristine worker behind it, which does the rest of the work there.
   * Without this slot, when it returns undefined, or when Node cannot run behind the hop, `open` and a shell are used.
   */
  readonly enter?: (args: A, context: EnterContext) => Promise<Entrance | undefined>;
  /** For plans: the files behind the hop, of those before it. Without this slot they may be any. */
  readonly sees?: (args: A) => SeenFiles;
}

/** Which files of the machine before a hop are seen behind it. */
export interface SeenFiles {
  /** The directory before the hop that is the root behind it. */
  readonly root: string;
  /** Directories behind the hop, with everything below, of which it is not known what they are before it. */
  readonly except?: readonly string[];
  /** The user who sees them. Default: the same as before the hop. */
  readonly user?: string;
}

/** The context in which a worker enters a hop. */
export interface EnterContext {
  /** A shell on the worker's side. */
  readonly parent: Connection;
  /** The user ID of the worker. */
  readonly uid: number;
}

/** A shell script that enters a narrower context. It is run in its own mount namespace. */
export interface Entrance {
  /** True: processes outside are not visible from inside. */
  readonly ownProcesses?: boolean;
  /**
   * Shell text that prepares the context and finally becomes the worker: `exec … "$@"`. The paths in `$@` are below
   * `/proc/tty/ldisc` (`ARTIFACTS_MOUNT`), which the script must make visible inside under the same path.
   */
  readonly script: string;
}

export type AnyHopDefinition = HopDefinition<unknown, unknown[]>;

/** Every hop definition, by name. */
export const hops = new Registry<AnyHopDefinition>("hop");

/** A hop in any position. For the compiler only; the field is optional so that lists of different hops are compatible. */
export interface Link {
  readonly link?: true;
}
/** A hop that is an agent. */
export interface AgentRole extends Link {
  readonly agent?: true;
}
/** A hop that must be the first. */
export interface FirstRole extends Link {
  readonly first?: true;
}
/** A hop whose allowed positions the compiler knows. */
export interface HopOf<R extends Link> extends Hop {
  "~role"?(role: R): void;
}

/**
 * Defines a hop and returns the function that makes it in a consfig. Throws `DuplicateName` when another file defines the
 * same name, and `InvalidArguments` for an invalid definition, such as one with an unknown slot.
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
  const { name } = definition;
  refuseArguments(`defhop of ${name}`, hopComplaints(definition), defhop);
  const construct = (...params: P): Hop => {
    const args = argumentsOf(`via.${name}`, definition, params, construct);
    return new DefinedHop(name, args, callSite(), params);
  };
  hops.define(name, definition as unknown as AnyHopDefinition, callSite());
  return Object.defineProperty(construct, "name", { value: name });
}

/** The definition of `hop`. Throws `ConnectionFailed` when it is not defined. */
export function hopDefinition({ hop }: Hop): AnyHopDefinition {
  const definition = hops.get(hop);
  if (definition) return definition;
  const names = hops.names().map((name) => `via.${name}`);
  throw new ConnectionFailed(`via.${hop}`, `there is no such hop; the hops are ${names.join(", ")}`);
}

export const isHop = (value: unknown): value is Hop =>
  typeof value === "object" && value !== null && "hop" in value;

/** Splits arguments that may be hops or applications; `null`, `undefined` and `false` are dropped. */
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
class DefinedHop implements Hop {
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

/** `hop` as it is typed in a consfig, whether made in this process or received from another. */
export function hopAsCode(hop: Hop): string {
  if (hop instanceof DefinedHop) return inspect(hop);
  if (hop.code !== undefined) return hop.code;
  const bare = typeof hop.args === "object" && hop.args !== null && Object.keys(hop.args).length === 0;
  return asCode(`via.${hop.hop}`, bare ? [] : [hop.args]);
}
