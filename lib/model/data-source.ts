import type { Asker } from "./asker";
import { Registry } from "./registry";
import type { Schema } from "./schema";

/**
 * Where prerequisite data comes from: what hosts need and the consfig does not contain, such as keys and passwords. It is
 * asked on the user's own machine only. A datum is named by two strings; see docs/secrets.md.
 */
export interface DataSource {
  /** For messages, as it is written in a consfig: `source.pass()`. */
  readonly name: string;
  /** True: getting data may ask the user, or takes long. A plan does not get it then. */
  readonly asks?: boolean;
  /**
   * The version of the datum that `get` would resolve to; undefined when this source does not have it. It is called often,
   * so it must be quick and ask nobody. A number, such as a time of modification, or numbers separated by dots.
   */
  version(iden1: string, iden2: string): Version | undefined | Promise<Version | undefined>;
  get(iden1: string, iden2: string, context: SourceContext): string | Buffer | Promise<string | Buffer>;
  /**
   * The file that is the datum, byte for byte, where there is one: a large one is read in pieces. Without it, 64 MiB are the
   * limit.
   */
  file?(iden1: string, iden2: string): string | undefined;
  /**
   * Whether a host that repeats its deployment by itself may keep the datum for that. Without it, it may. Where it may not,
   * that host is refused before connecting.
   */
  kept?(iden1: string, iden2: string): boolean;
  /** What to do so that this source has the datum, such as a command. */
  hint?(iden1: string, iden2: string): string | undefined;
}

export type Version = string | number;

export interface SourceContext {
  /** Asks the user; undefined where nobody can be asked. */
  readonly ask: Asker | undefined;
}

/** Every source of data in the consfig, the one registered first first. */
export const dataSources = new Registry<DataSource>("data source");

/** A kind of source, as it is called in a consfig. */
export interface SourceKind {
  readonly args: Schema<unknown>;
  readonly call: Function;
}

/** The kinds of sources by name, such as "pass": for completion. */
export const sourceKinds = new Map<string, SourceKind>();

/** Notes the schema of the arguments of `call`, which makes a source of its kind, and returns it. */
export function argumentsOf<A>(call: Function, args: Schema<A>): Schema<A> {
  sourceKinds.set(call.name, { args, call });
  return args;
}
