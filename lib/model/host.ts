import { inspect } from "node:util";
import { refuseArguments } from "./errors";
import { type Chained, chainComplaints } from "./hop-chain";
import { valueAsCode } from "./property";
import { Registry } from "./registry";
import { hop, hostname, list, object, optional, problems, propapp, string } from "./schema";
import { callSite, type Site } from "./site";
import {
  type Hop,
  type Hostattrs,
  isApplication,
  type MaybePropApp,
  type PropApp,
  withoutEmpty,
} from "./types";

export { type Attribute, attribute, type HostFacts, HostModel, shared } from "./host-facts";
export { type Hostattrs, type HostState, isApplication } from "./types";

/** The desired state of a machine, container or image, as a value. Making one does not connect to anything. */
export interface Host {
  readonly name: string;
  /** The hops to the host unless others are given; undefined: `deploy` must be given hops. */
  readonly deploy: readonly Hop[] | undefined;
  readonly desc: string | undefined;
  readonly applications: readonly PropApp[];
  readonly site: string;
  /** Facts that the host starts with, besides its name and description. */
  readonly hostattrs?: Hostattrs;
  /** True: the host was made by `makeHost` and is not looked up by its name. */
  readonly made?: true;
}

export interface HostOptions {
  readonly deploy?: readonly Hop[];
  readonly desc?: string;
}

const nameSchema = hostname();
const optionsSchema = object({ deploy: optional(list(hop())), desc: optional(string()) });
const applicationsSchema = list(propapp());

/** Every defined host, by name. */
export const hosts = new Registry<Host>("host");

/** Every host of the consfig that has hops, in the order of their names. */
export const allHosts = (): Host[] =>
  hosts
    .values()
    .filter((host) => (host.deploy ?? []).length > 0)
    .sort((one, other) => (one.name < other.name ? -1 : 1));

/**
 * Defines the host `name` (its fully qualified domain name). Properties are applied in order; one that fails does not
 * stop the next. Throws `InvalidArguments` for an invalid name, a value that is not a property, or hops that cannot follow
 * each other, and `DuplicateName` when another file defines the same name.
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
  const applications = withoutEmpty((hasOptions ? others : rest) as MaybePropApp[]);
  const complaints = [
    ...problems(nameSchema, name, "name"),
    ...complaintsOf(options),
    ...problems(applicationsSchema, applications, "properties"),
  ];
  refuseArguments("defhost", complaints, defhost);
  const host = new DefinedHost(name, options, applications, callSite());
  hosts.define(name, host, callSite());
  return host;
}

function complaintsOf(options: HostOptions): string[] {
  const complaints = problems(optionsSchema, options, "options");
  return complaints.length > 0 ? complaints : chainComplaints(options.deploy ?? []);
}

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
