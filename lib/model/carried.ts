import type { SeenFiles } from "./hop";
import type { PosixTarget } from "./target";

/** Values by their names, as they go from a deployment into one that is nested in it. */
export type CarriedValues = Readonly<Record<string, unknown>>;

/**
 * A value that holds for a part of a deployment, and for what is nested in that part on the same machine: as another user,
 * in a chroot, through an agent. It does not go to other hosts.
 */
export interface CarriedValue<T> {
  readonly name: string;
  /** The value that holds for the steps of `target`; undefined when there is none. */
  of(target: PosixTarget): T | undefined;
  /** `target`, with `value`. */
  within(target: PosixTarget, value: T): PosixTarget;
}

type Behind = (value: never, files: SeenFiles) => unknown;

const known = new Map<string, Behind>();

/**
 * Declares a value, which must be plain data. `name` begins with that of the module, such as "service.noServices".
 * `behind` returns it as it is seen behind hops, where paths may be others; undefined: it does not go there.
 */
export function carriedValue<T>(
  name: string,
  behind: (value: T, files: SeenFiles) => T | undefined = (value) => value,
): CarriedValue<T> {
  known.set(name, behind as Behind);
  return {
    name,
    of: (target) => target.memory.get(name) as T | undefined,
    within: (target, value) => target.within({ memory: { [name]: value } }),
  };
}

/** Whether a carried value has this name. */
export const isCarried = (name: string): boolean => known.has(name);

/** What the steps of `target` have, as it is seen behind hops; `files` is undefined where another machine may be. */
export function carriedFrom(
  target: Pick<PosixTarget, "memory">,
  files: SeenFiles | undefined,
): CarriedValues {
  if (!files) return {};
  const values = [...known].map(([name, behind]) => {
    const value = target.memory.get(name);
    return [name, value === undefined ? undefined : behind(value as never, files)] as const;
  });
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}
