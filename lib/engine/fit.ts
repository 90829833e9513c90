import { appliedHere, asWritten, definitionOf } from "../model/application";
import { Refused } from "../model/errors";
import { type Hop, hops as hopDefinitions } from "../model/hop";
import { chainComplaints, unknownHops } from "../model/hop-chain";
import type { Kind, PropApp } from "../model/property";

/** Throws `Refused`, with all complaints, for invalid hop chains and for agent properties where there is only a shell. */
export function refuseUnsupported(host: string, application: PropApp, chain: readonly Hop[]): void {
  const complaints = [
    ...unknownHops(chain),
    ...chainComplaints(chain),
    ...(chain.every(isKnown) ? unsupported(application, chain) : []),
  ];
  if (complaints.length > 0) throw new Refused(host, complaints);
}

const isKnown = ({ hop }: Hop): boolean => hopDefinitions.get(hop) !== undefined;

/** The kind of target at the end of `chain`: an agent, or only a shell. */
function kindBehind(chain: readonly Hop[], start: Kind): Kind {
  return chain.reduce<Kind>((kind, { hop }) => {
    const definition = hopDefinitions.get(hop);
    if (definition?.agent) return "agent";
    return definition?.enter ? kind : "posix";
  }, start);
}

/** A complaint for each property in `application` that cannot be applied at the end of `chain`. */
export const unsupported = (application: PropApp, chain: readonly Hop[]): string[] =>
  unsupportedOver(application, kindBehind(chain, "posix"));

function unsupportedOver(application: PropApp, kind: Kind): string[] {
  const agentOnly =
    kind === "agent"
      ? []
      : [...appliedHere(application)].filter(({ property }) => definitionOf(property).kind === "agent");
  const nested = [...appliedHere(application)].flatMap((each) =>
    each.nested ? nestedComplaints(each, kind) : [],
  );
  return [
    ...agentOnly.map((each) => `${asWritten(each)} needs an agent on the host; add via.agent() to its hops`),
    ...nested,
  ];
}

function nestedComplaints(application: PropApp, kind: Kind): string[] {
  const { nested } = application;
  if (!nested) return [];
  const complaints = [...unknownHops(nested.hops), ...chainComplaints(nested.hops, { nested: true })].map(
    (complaint) => `${asWritten(application)}: ${complaint}`,
  );
  return complaints.length > 0
    ? complaints
    : unsupportedOver(nested.application, kindBehind(nested.hops, kind));
}
