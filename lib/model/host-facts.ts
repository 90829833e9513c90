import { InapplicableProperty } from "./errors";
import { notPlainData } from "./plain-data";
import type { Hostattrs, HostState } from "./types";

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

/** What a host is known by. */
interface Stated {
  readonly name: string;
  readonly desc?: string | undefined;
  readonly hostattrs?: Hostattrs;
}

/** The static facts of a host while it is prepared: they may be added to. */
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

  /** Hosts that are deployed from this one: known where it was prepared, and nowhere else. */
  get children(): readonly HostModel[] {
    return [...this.#children];
  }

  /** Notes that `child` is deployed from this host. */
  deploys(child: HostModel): void {
    this.#children.add(child);
  }

  all<T>(attribute: Attribute<T>): readonly T[] {
    return (this.#attributes.get(attribute.key) ?? []) as T[];
  }

  newest<T>(attribute: Attribute<T>): T | undefined {
    return this.all(attribute)[0];
  }

  /** Puts `values` in front, in their order. Throws `InapplicableProperty` for what is no plain value: facts travel. */
  push<T>(attribute: Attribute<T>, ...values: T[]): void {
    const strange = notPlainData(values, `the fact ${attribute.key}`);
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
    return new HostModel(this.toJSON(), this.#children);
  }

  /** A copy that knows nothing of `attribute`. */
  without(attribute: Attribute<unknown>): HostModel {
    const { [attribute.key]: _dropped, ...attributes } = this.toJSON().attributes;
    return new HostModel({ ...this.toJSON(), attributes }, this.#children);
  }

  /** All facts are those of `other`, but for `except`; what that one deploys, this one does. */
  copyFacts<T>(other: HostModel, except: Attribute<T>): void {
    for (const [key, values] of other.#attributes)
      if (key !== except.key) this.#attributes.set(key, [...values]);
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
