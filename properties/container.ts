/** Whether changing some aspect of the running system could leak out of the container that properties run in. */
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

/** What can be a container's own. A factor that is not listed here can be neither declared nor asked for. */
const factors = [
  /** Its files are not those of the machine around it. */
  "filesystem",
  /** Setting its host name does not rename the machine around it. */
  "hostname",
  /** Rebooting it does not reboot the machine around it. */
  "reboot",
  /** It has its own EFI variables, or may write those of the machine. */
  "efiNvram",
  /** The disks it sees are those it is meant to be on. */
  "physicalDisks",
] as const;
export type Factor = (typeof factors)[number];
const factor = () => oneOf(...factors);

const containedFactors = attribute<Factor>("container.contained");
const isContainer = attribute<true>("container/isContainer");

/**
 * The host is a container, and each of `factors` is its own. Said by the properties that build containers.
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
 * Whether changing what `factors` name stays inside of `host`: true for what is no container, else when each of them
 * has been declared with `container.contained`.
 */
export function isContained(host: HostFacts, ...factors: Factor[]): boolean {
  if (!host.newest(isContainer)) return true;
  const own = new Set(host.all(containedFactors));
  return factors.every((factor) => own.has(factor));
}

/**
 * Each of `applications` in order, where each of `factors` is contained; elsewhere they are skipped, and only their
 * static facts count.
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
  desc: ({ factors }) => `where it is contained: ${factors.join(", ")}`,
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

/** Why something is skipped in a container. */
export const notContained = (factors: readonly Factor[]): string =>
  `${factors.join(", ")}: not contained here`;
