import { isHost } from "../controller/deploy";
import { refuseArguments } from "../model/errors";
import { type Hop, separateHops } from "../model/hop";
import { hosts as definedHosts, type Host } from "../model/host";
import type { Subject } from "./planned";

/** Hosts as a user gives them: one or several, by name or from defhost. */
export type GivenHosts = Host | string | readonly (Host | string)[];

/** The hosts and hops that `caller`, called `name`, was given. Throws `InvalidArguments` where they are something else. */
export function subjectsIn(
  name: string,
  hosts: GivenHosts,
  hops: readonly (Hop | readonly Hop[])[],
  caller: Function,
): { readonly subjects: readonly Subject[]; readonly chain: readonly Hop[] } {
  const given = (Array.isArray(hosts) ? hosts : [hosts]) as readonly (Host | string)[];
  const { hops: chain, others } = separateHops(hops);
  const wrong = given.filter((each) => typeof each !== "string" && !isHost(each));
  refuseArguments(
    name,
    [
      ...wrong.map((each) => `expected a host from defhost, or a list of hosts; got ${typeof each}`),
      ...others.map(() => 'expected a hop, such as via.ssh({ user: "root" })'),
    ],
    caller,
  );
  return { subjects: given.map((each) => (typeof each === "string" ? { name: each } : each)), chain };
}

/** The hops to `subject`: those given, or those of its definition. */
export const hopsTo = (subject: Subject, given: readonly Hop[]): readonly Hop[] =>
  given.length > 0
    ? given
    : (("deploy" in subject ? subject.deploy : definedHosts.get(subject.name)?.deploy) ?? []);
