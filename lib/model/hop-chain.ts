import { type Hop, hopAsCode, hops } from "./hop";

/** The problems in the order of `chain`. `nested`: the chain starts on a host, not on the controller. */
export function chainComplaints(chain: readonly Hop[], { nested = false } = {}): string[] {
  return chain.flatMap((hop, index) => {
    const definition = hops.get(hop.hop);
    const before = chain[index - 1];
    if (definition?.agent && before && hops.get(before.hop)?.agent) {
      return [
        `${hopAsCode(hop)} follows ${hopAsCode(before)}, which is already an agent; remove one of them`,
      ];
    }
    if (definition?.first && (index > 0 || nested)) {
      return [`${hopAsCode(hop)} must be the first hop: it means the machine you are working on`];
    }
    return [];
  });
}

/** The index of the first agent in `chain`; -1 when there is none. */
export const agentIndex = (chain: readonly Hop[]): number =>
  chain.findIndex(({ hop }) => hops.get(hop)?.agent);

/** A problem for each hop in `chain` that is not defined, with the hops that are. */
export function unknownHops(chain: readonly Hop[]): string[] {
  return chain.flatMap(({ hop }) => {
    if (hops.get(hop)) return [];
    const known = hops.names().map((name) => `via.${name}`);
    return [`there is no hop via.${hop}; the hops are ${known.join(", ")}`];
  });
}

/**
 * `R` if its hops may follow each other in this order; else the first invalid one is replaced by the reason. Only hops
 * that the compiler sees one by one are checked; those in an array made elsewhere are checked at run time.
 */
export type Chained<R, Before = "nothing", Seen extends readonly unknown[] = readonly []> = [R] extends [
  never,
]
  ? R
  : R extends readonly [infer Next, ...infer Rest]
    ? "agent" extends RoleOf<Next>
      ? Before extends "agent"
        ? readonly [...Seen, "via.agent() follows via.agent(): remove one of them", ...Rest]
        : Chained<Rest, "agent", readonly [...Seen, Next]>
      : "first" extends RoleOf<Next>
        ? Before extends "nothing"
          ? Chained<Rest, "hop", readonly [...Seen, Next]>
          : readonly [...Seen, "this hop must be the first", ...Rest]
        : Chained<Rest, [Next] extends [Hop] ? "hop" : Before, readonly [...Seen, Next]>
    : R extends readonly unknown[]
      ? readonly [...Seen, ...R]
      : never;

/** The role of a hop, as far as the compiler knows it. */
type RoleOf<H> = [H] extends [{ "~role"?(role: infer R): void }] ? keyof R : never;
