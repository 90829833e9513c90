import { type Datum, refuseIdentifiers } from "./data-names";
import { InapplicableProperty } from "./errors";
import { notPlainData } from "./plain-data";
import type { Hostattrs, HostState, PropApp } from "./types";

/**
 * A static fact about hosts: a list of values, newest first. A fact that only one module uses is named `module/fact`.
 */
export interface Attribute<T> {
  readonly key: string;
  readonly "~type"?: T;
}
/** Declares a fact with values of type `T`, which must be plain data. Attributes with the same `key` are the same fact. */
export const attribute = <T>(key: string): Attribute<T> => ({ key });

/** A program that repeats a deployment on its host, which keeps the prerequisite data for it. */
export interface Repetition {
  /** Undefined: the usual one. */
  readonly path?: string | undefined;
  /** The data that is not kept. */
  readonly without: readonly Datum[];
}

/** Facts that several modules share. */
export const shared = {
  hostname: attribute<string>("hostname"),
  /** The description given to `defhost`: one line for the user. */
  desc: attribute<string>("desc"),
  aliases: attribute<string>("aliases"),
  ipv4: attribute<string>("ipv4"),
  ipv6: attribute<string>("ipv6"),
  /** Prerequisite data that the host needs: pairs of identifiers. */
  data: attribute<Datum>("data"),
  /** The programs with which the host repeats this deployment by itself. */
  repetitions: attribute<Repetition>("repetitions"),
  /** The applications that declare something that is compared with the host: those of properties with a `mismatch`. */
  declarations: attribute<PropApp>("declarations"),
};

/** Facts that are about one deployment: another one of the same host has its own. */
const ofDeployment: ReadonlySet<string> = new Set([shared.data.key, shared.repetitions.key]);

/** The static facts of a host, read-only. */
export interface HostFacts {
  readonly name: string;
  /** All values of a fact, newest first; empty when the host does not have it. */
  all<T>(attribute: Attribute<T>): readonly T[];
  /** The newest value of a fact; undefined when the host does not have it. */
  newest<T>(attribute: Attribute<T>): T | undefined;
  /** The facts of the host that contains this one (for a container, its machine). */
  readonly parent: HostFacts | undefined;
  /** A copy to which facts can be added without changing these. */
  copy(): HostModel;
}

/** The facts that a host starts with. */
interface InitialFacts {
  readonly name: string;
  readonly desc?: string | undefined;
  readonly hostattrs?: Hostattrs;
}

/** The static facts of a host while it is prepared, when properties may add to them. */
export class HostModel implements HostFacts {
  readonly #attributes: Map<string, unknown[]>;
  readonly #children: Set<HostModel>;

  constructor(
    private readonly state: HostState,
    children: Iterable<HostModel> = [],
  ) {
    this.#children = new Set(children);
    this.#attributes = new Map(Object.entries(state.attributes).map(([key, values]) => [key, [...values]]));
  }

  /** A host of which only the name is known. */
  static named(name: string): HostModel {
    return HostModel.of({ name });
  }

  /** The facts of a host before its properties add theirs. `around`: the facts of the host that contains it. */
  static of({ name, desc, hostattrs }: InitialFacts, around?: HostModel): HostModel {
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

  /** Hosts that are deployed from this one. Known only in the process that prepared it. */
  get children(): readonly HostModel[] {
    return [...this.#children];
  }

  /** Records that `child` is deployed from this host. */
  deploys(child: HostModel): void {
    this.#children.add(child);
  }

  all<T>(attribute: Attribute<T>): readonly T[] {
    return (this.#attributes.get(attribute.key) ?? []) as T[];
  }

  newest<T>(attribute: Attribute<T>): T | undefined {
    return this.all(attribute)[0];
  }

  /** Adds `values` in front, in the given order. Throws `InapplicableProperty` for a value that is not plain data. */
  push<T>(attribute: Attribute<T>, ...values: T[]): void {
    const complaints = notPlainData(values, `the fact ${attribute.key}`);
    if (complaints.length > 0) throw new InapplicableProperty(complaints.join("; "));
    if (values.length > 0) this.#attributes.set(attribute.key, [...values, ...this.all(attribute)]);
  }

  /** As `push`, without the values that the fact already has (compared as JSON). */
  pushNew<T>(attribute: Attribute<T>, ...values: T[]): void {
    const known = new Set(this.all(attribute).map((value) => JSON.stringify(value)));
    this.push(attribute, ...values.filter((value) => !known.has(JSON.stringify(value))));
  }

  /**
   * Records that the host needs the prerequisite data (`iden1`, `iden2`), which a property then gets with `target.data`.
   * Throws `InapplicableProperty` when data cannot be named so.
   */
  requireData(iden1: string, iden2: string): void {
    refuseIdentifiers(iden1, iden2);
    this.pushNew(shared.data, [iden1, iden2] as const);
  }

  copy(): HostModel {
    return new HostModel(this.toJSON(), this.#children);
  }

  /** A copy without the fact `attribute`. */
  without(attribute: Attribute<unknown>): HostModel {
    const { [attribute.key]: _dropped, ...attributes } = this.toJSON().attributes;
    return new HostModel({ ...this.toJSON(), attributes }, this.#children);
  }

  /** A copy for another deployment: without the facts that are about this one, such as the data that it needs. */
  forAnother(): HostModel {
    const { attributes, ...rest } = this.toJSON();
    const kept = Object.entries(attributes).filter(([key]) => !ofDeployment.has(key));
    return new HostModel({ ...rest, attributes: Object.fromEntries(kept) }, this.#children);
  }

  /** Takes over all facts of `other`, but those about its deployment, and the hosts that it deploys. */
  copyFacts(other: HostModel): void {
    for (const [key, values] of other.#attributes)
      if (!ofDeployment.has(key)) this.#attributes.set(key, [...values]);
    for (const child of other.#children) this.deploys(child);
  }

  toJSON(): HostState {
    return {
      name: this.state.name,
      attributes: Object.fromEntries(this.#attributes),
      ...(this.state.parent && { parent: this.state.parent }),
    };
  }
}
