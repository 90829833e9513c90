/** Containers: which changes stay inside them, and which would affect the machine outside. */
import {
  attribute,
  defprop,
  type HostFacts,
  type MaybePropApp,
  schema,
  untilFailure,
  withoutEmpty,
} from "consfigurator";

const { list, object, oneOf, propapp } = schema;

/** What a container may have to itself. Other factors can be neither declared nor queried. */
const factors = [
  /** Its files are not those of the machine outside. */
  "filesystem",
  /** Setting its host name does not rename the machine outside. */
  "hostname",
  /** Rebooting it does not reboot the machine outside. */
  "reboot",
  /** It has its own EFI variables, or may write those of the machine. */
  "efiNvram",
  /** The disks it sees are those it is meant to use. */
  "physicalDisks",
] as const;
export type Factor = (typeof factors)[number];
const factor = () => oneOf(...factors);

const containedFactors = attribute<Factor>("container.contained");
const isContainer = attribute<true>("container/isContainer");

/**
 * The host is a container and has each of `factors` to itself. Properties that build containers declare this.
 *
 * @example container.contained("filesystem", "hostname")
 */
export const contained = defprop({
  name: "container.contained",
  kind: "posix",
  args: object({ factors: list(factor()) }),
  call: (...factors: Factor[]) => ({ factors }),
  desc: ({ factors }) => `is a container${factors.length > 0 ? ` with its own ${factors.join(", ")}` : ""}`,
  hostattrs: ({ factors }, host) => {
    host.pushNew(isContainer, true);
    host.push(containedFactors, ...factors);
  },
});

/**
 * Whether changes to `factors` stay inside `host`: true if it is not a container, or if each factor is declared with
 * `container.contained`.
 */
export function isContained(host: HostFacts, ...factors: Factor[]): boolean {
  if (!host.newest(isContainer)) return true;
  const own = new Set(host.all(containedFactors));
  return factors.every((factor) => own.has(factor));
}

/**
 * Applies `applications` in order if each of `factors` is contained. Otherwise they are skipped, and only their static
 * facts count.
 *
 * @example container.whenContained(["hostname"], cmd.single("hostname", "web1"))
 */
export const whenContained = defprop({
  name: "container.whenContained",
  kind: "posix",
  args: object({ factors: list(factor()), applications: list(propapp()) }),
  call: (factors: Factor[], ...applications: MaybePropApp[]) => ({
    factors,
    applications: withoutEmpty(applications),
  }),
  desc: ({ factors }) => `where contained: ${factors.join(", ")}`,
  inline: true,
  apply: async ({ factors, applications }, target, steps) => {
    if (isContained(target.host, ...factors)) return untilFailure(applications, "apply", steps);
    for (const application of applications) steps.skip(application, notContained(factors));
    return "unchanged";
  },
  unapply: async ({ factors, applications }, target, steps) => {
    if (isContained(target.host, ...factors))
      return untilFailure(applications.toReversed(), "unapply", steps);
    for (const application of applications) steps.skip(application, notContained(factors));
    return "unchanged";
  },
  unappliable: ({ applications }, each) => applications.every(each),
});

/** The reason why a step is skipped in a container. */
export const notContained = (factors: readonly Factor[]): string => `not contained: ${factors.join(", ")}`;
