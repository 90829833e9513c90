import { type Hop, hopAsCode, hops } from "./hop";

/** What is wrong with the order of `chain`. `nested`: it begins on a host, not at the machine that the person sits at. */
export function chainComplaints(chain: readonly Hop[], { nested = false } = {}): string[] {
  return chain.flatMap((hop, index) => {
    const definition = hops.get(hop.hop);
    const before = chain[index - 1];
    if (definition?.agent && before && hops.get(before.hop)?.agent) {
      return [
        `${hopAsCode(hop)} follows ${hopAsCode(before)}: that is a process of ours already; leave one out`,
      ];
    }
    if (definition?.first && (index > 0 || nested)) {
      return [`${hopAsCode(hop)} can only stand first: it is about the machine that you sit at`];
    }
    return [];
  });
}

/** The index of the first agent in `chain`; -1 when there is none. */
export const agentIndex = (chain: readonly Hop[]): number =>
  chain.findIndex(({ hop }) => hops.get(hop)?.agent);

/** Hops that nobody has defined, each with those that there are. */
export function unknownHops(chain: readonly Hop[]): string[] {
  return chain.flatMap(({ hop }) => {
    if (hops.get(hop)) return [];
    const known = hops.names().map((name) => `via.${name}`);
    return [`there is no hop via.${hop}; there are ${known.join(", ")}`];
  });
}

/**
 * `R` where its hops can stand in that order; else, in place of the one that cannot, the reason. Only what the compiler
 * sees one by one is looked at: an array of hops made somewhere is looked at when it is used.
 */
export type Chained<R, Before = "nothing", Seen extends readonly unknown[] = readonly []> = [R] extends [
  never,
]
  ? R
  : R extends readonly [infer Next, ...infer Rest]
    ? "agent" extends RoleOf<Next>
      ? Before extends "agent"
        ? readonly [...Seen, "via.agent() follows via.agent(): leave one out", ...Rest]
        : Chained<Rest, "agent", readonly [...Seen, Next]>
      : "first" extends RoleOf<Next>
        ? Before extends "nothing"
          ? Chained<Rest, "hop", readonly [...Seen, Next]>
          : readonly [...Seen, "this hop can only stand first", ...Rest]
        : Chained<Rest, [Next] extends [Hop] ? "hop" : Before, readonly [...Seen, Next]>
    : R extends readonly unknown[]
      ? readonly [...Seen, ...R]
      : never;

/** What the compiler knows of a hop. */
type RoleOf<H> = [H] extends [{ "~role"?(role: infer R): void }] ? keyof R : never;
