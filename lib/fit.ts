import { type Hop, hopAsCode, hops as hopDefinitions } from "./connection/hop";
import { Refused } from "./errors";
import { definitionOf, here, said } from "./prepare";
import type { Kind, PropApp } from "./property";

/**
 * Refuses, with every complaint at once, chains that cannot be, and properties that need a process of ours where there
 * will only be a shell. Throws `Refused`.
 */
export function refuseUnfit(host: string, application: PropApp, chain: readonly Hop[]): void {
  const complaints = [
    ...chainComplaints(chain, true),
    ...(chain.every(isKnown) ? misfits(application, kindBehind(chain, "posix")) : []),
  ];
  if (complaints.length > 0) throw new Refused(host, complaints);
}

const isKnown = ({ hop }: Hop): boolean => hopDefinitions.get(hop) !== undefined;

/** What stands at the end of `chain`: a process of ours, or only a shell. */
function kindBehind(chain: readonly Hop[], start: Kind): Kind {
  return chain.reduce<Kind>((kind, { hop }) => {
    const definition = hopDefinitions.get(hop);
    if (definition?.agent) return "agent";
    return definition?.enter ? kind : "posix";
  }, start);
}

function chainComplaints(chain: readonly Hop[], first: boolean): string[] {
  return chain.flatMap((hop, index) => {
    const definition = hopDefinitions.get(hop.hop);
    if (!definition) {
      const known = hopDefinitions.names().map((name) => `via.${name}`);
      return [`there is no hop via.${hop.hop}; there are ${known.join(", ")}`];
    }
    const before = chain[index - 1];
    if (definition.agent && before && hopDefinitions.get(before.hop)?.agent) {
      return [
        `${hopAsCode(hop)} follows ${hopAsCode(before)}: that is a process of ours already; leave one out`,
      ];
    }
    if (definition.first && (index > 0 || !first)) {
      return [`${hopAsCode(hop)} can only stand first: it is about the machine that you sit at`];
    }
    return [];
  });
}

function misfits(application: PropApp, kind: Kind): string[] {
  const unfit =
    kind === "agent"
      ? []
      : [...here(application)].filter(({ property }) => definitionOf(property).kind === "agent");
  const nested = [...here(application)].flatMap((each) => (each.nested ? nestedComplaints(each, kind) : []));
  return [
    ...unfit.map((each) => `${said(each)} needs an agent on the host; add via.agent() to its hops`),
    ...nested,
  ];
}

function nestedComplaints(application: PropApp, kind: Kind): string[] {
  const { nested } = application;
  if (!nested) return [];
  const complaints = chainComplaints(nested.hops, false).map(
    (complaint) => `${said(application)}: ${complaint}`,
  );
  return complaints.length > 0 ? complaints : misfits(nested.application, kindBehind(nested.hops, kind));
}
