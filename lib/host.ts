import { inspect } from "node:util";
import { strangers } from "./_plain";
import { type Chained, chainComplaints } from "./chain-rules";
import type { Hop } from "./connection/hop";
import { InapplicableProperty, InvalidArguments } from "./errors";
import { type MaybePropApp, type PropApp, valueAsCode, withoutNothings } from "./property";
import { Registry } from "./registry";
import { hop, hostname, list, object, optional, problems, propapp, string } from "./schema";
import { callSite, type Site } from "./site";

/** A machine, container or image as the consfig says it should be. A value: nothing here acts. */
export interface Host {
  readonly name: string;
  /** The hops by which it is reached unless others are given; undefined: `deploy` needs them. */
  readonly deploy: readonly Hop[] | undefined;
  readonly desc: string | undefined;
  readonly applications: readonly PropApp[];
  readonly site: string;
  /** Facts that it begins with, besides its name and description. */
  readonly hostattrs?: Hostattrs;
  /** True: it was made as a value, and is not looked up by its name. */
  readonly made?: true;
}

/** Facts by their keys, the newest value first. */
export type Hostattrs = Readonly<Record<string, readonly unknown[]>>;

export interface HostOptions {
  readonly deploy?: readonly Hop[];
  readonly desc?: string;
}

const nameSchema = hostname();
const optionsSchema = object({ deploy: optional(list(hop())), desc: optional(string()) });
const applicationsSchema = list(propapp());

/** Every host defined, by name. */
export const hosts = new Registry<Host>("host");

/**
 * Defines the host `name` (its full domain name). Properties are applied in order; one that fails does not stop the
 * next. Throws `InvalidArguments` for a name that is none, for what is no property and for hops that cannot follow each
 * other, `DuplicateName` when another file has the name.
 */
export function defhost<const H extends readonly Hop[]>(
  name: string,
  options: HostOptions & { readonly deploy?: H & Chained<H> },
  ...applications: MaybePropApp[]
): Host;
export function defhost(name: string, ...applications: MaybePropApp[]): Host;
export function defhost(name: string, ...rest: (HostOptions | MaybePropApp)[]): Host {
  const [first, ...others] = rest;
  const hasOptions = typeof first === "object" && first !== null && !isApplication(first);
  const options = (hasOptions ? first : {}) as HostOptions;
  const said = withoutNothings((hasOptions ? others : rest) as MaybePropApp[]);
  const complaints = [
    ...problems(nameSchema, name, "name"),
    ...complaintsOf(options),
    ...problems(applicationsSchema, said, "properties"),
  ];
  if (complaints.length > 0) {
    const error = new InvalidArguments(`defhost: ${complaints.join("; ")}`);
    Error.captureStackTrace(error, defhost);
    throw error;
  }
  const host = new DefinedHost(name, options, said, callSite());
  hosts.define(name, host, callSite());
  return host;
}

function complaintsOf(options: HostOptions): string[] {
  const complaints = problems(optionsSchema, options, "options");
  return complaints.length > 0 ? complaints : chainComplaints(options.deploy ?? []);
}

/** Whether `value` is an application, made here or arrived from elsewhere. */
export const isApplication = (value: unknown): value is PropApp =>
  typeof value === "object" && value !== null && "property" in value && "args" in value;

/** Prints as the code that makes it. */
class DefinedHost implements Host {
  readonly deploy: readonly Hop[] | undefined;
  readonly desc: string | undefined;
  readonly #site: Site;

  constructor(
    readonly name: string,
    options: HostOptions,
    readonly applications: readonly PropApp[],
    site: Site,
  ) {
    this.deploy = options.deploy && Object.freeze([...options.deploy]);
    this.desc = options.desc;
    this.#site = site;
    Object.freeze(applications);
    Object.freeze(this);
  }

  get site(): string {
    return this.#site.toString();
  }

  toJSON(): object {
    const { name, deploy, desc, applications } = this;
    return { name, deploy, desc, applications };
  }

  [inspect.custom](): string {
    const options = { ...(this.desc && { desc: this.desc }), ...(this.deploy && { deploy: this.deploy }) };
    const written = [
      JSON.stringify(this.name),
      ...(Object.keys(options).length > 0 ? [valueAsCode(options)] : []),
    ];
    const lines = this.applications.map((application) => `\n  ${inspect(application)}`);
    return `defhost(${[...written, ...lines].join(", ").replaceAll(", \n", ",\n")})`;
  }
}

/** A static fact about hosts: a list of values, newest first. Private ones are named `module/fact`. */
export interface Attribute<T> {
  readonly key: string;
  readonly "~type"?: T;
}
export const attribute = <T>(key: string): Attribute<T> => ({ key });

/** Facts that several modules share. */
export const shared = {
  hostname: attribute<string>("hostname"),
  /** A line for people, as given to `defhost`. */
  desc: attribute<string>("desc"),
  aliases: attribute<string>("aliases"),
  ipv4: attribute<string>("ipv4"),
  ipv6: attribute<string>("ipv6"),
  /** Prerequisite data that the host needs: pairs of identifiers. */
  data: attribute<readonly [string, string]>("data"),
};

/** The static facts of a host, to read. */
export interface HostFacts {
  readonly name: string;
  /** All values of a fact, newest first. */
  all<T>(attribute: Attribute<T>): readonly T[];
  /** The newest value of a fact. */
  newest<T>(attribute: Attribute<T>): T | undefined;
  /** The facts of the host that this one is inside of (a container's machine). */
  readonly parent: HostFacts | undefined;
  /** A copy that may be added to: what is pushed there is not seen here. */
  copy(): HostModel;
}

/** As stored and sent. */
export interface HostState {
  readonly name: string;
  readonly attributes: Readonly<Record<string, readonly unknown[]>>;
  readonly parent?: HostState;
}

/** What a host is known by. */
type Stated = Pick<Host, "name"> & { readonly desc?: string | undefined; readonly hostattrs?: Hostattrs };

/** The static facts of a host while it is prepared: they may be added to. */
export class HostModel implements HostFacts {
  readonly #attributes: Map<string, unknown[]>;

  constructor(private readonly state: HostState) {
    this.#attributes = new Map(Object.entries(state.attributes).map(([key, values]) => [key, [...values]]));
  }

  /** A host of that name of which nothing else is known. */
  static named(name: string): HostModel {
    return HostModel.of({ name });
  }

  /** What is known of `host` before its properties have said anything; `around`: the facts of the host it is inside of. */
  static of({ name, desc, hostattrs }: Stated, around?: HostModel): HostModel {
    return new HostModel({
      name,
      attributes: {
        [shared.hostname.key]: [name],
        ...(desc !== undefined && { [shared.desc.key]: [desc] }),
        ...hostattrs,
      },
      ...(around && { parent: around.toJSON() }),
    });
  }

  get name(): string {
    return this.newest(shared.hostname) ?? this.state.name;
  }

  get parent(): HostFacts | undefined {
    return this.state.parent && new HostModel(this.state.parent);
  }

  all<T>(attribute: Attribute<T>): readonly T[] {
    return (this.#attributes.get(attribute.key) ?? []) as T[];
  }

  newest<T>(attribute: Attribute<T>): T | undefined {
    return this.all(attribute)[0];
  }

  /** Puts `values` in front, in their order. Throws `InapplicableProperty` for what is no plain value: facts travel. */
  push<T>(attribute: Attribute<T>, ...values: T[]): void {
    const strange = strangers(values, `the fact ${attribute.key}`);
    if (strange.length > 0) throw new InapplicableProperty(strange.join("; "));
    if (values.length > 0) this.#attributes.set(attribute.key, [...values, ...this.all(attribute)]);
  }

  /** As `push`, without those that are there already (compared by their JSON). */
  pushNew<T>(attribute: Attribute<T>, ...values: T[]): void {
    const known = new Set(this.all(attribute).map((value) => JSON.stringify(value)));
    this.push(attribute, ...values.filter((value) => !known.has(JSON.stringify(value))));
  }

  /** The host needs the prerequisite data (`iden1`, `iden2`). */
  requireData(iden1: string, iden2: string): void {
    this.pushNew(shared.data, [iden1, iden2] as const);
  }

  copy(): HostModel {
    return new HostModel(this.toJSON());
  }

  /** A copy that knows nothing of `attribute`. */
  without(attribute: Attribute<unknown>): HostModel {
    const { [attribute.key]: _dropped, ...attributes } = this.toJSON().attributes;
    return new HostModel({ ...this.toJSON(), attributes });
  }

  /** All facts are those of `other`, but for `except`. */
  adopt<T>(other: HostModel, except: Attribute<T>): void {
    for (const [key, values] of other.#attributes)
      if (key !== except.key) this.#attributes.set(key, [...values]);
  }

  toJSON(): HostState {
    return {
      name: this.state.name,
      attributes: Object.fromEntries(this.#attributes),
      ...(this.state.parent && { parent: this.state.parent }),
    };
  }
}
