import { appliedHere, asWritten, definitionOf } from "../model/application";
import { Refused } from "../model/errors";
import { type Hop, hops as hopDefinitions } from "../model/hop";
import { chainComplaints, unknownHops } from "../model/hop-chain";
import type { Kind, PropApp } from "../model/property";

/**
 * Refuses, with every complaint at once, chains that cannot be, and properties that need a process of ours where there
 * will only be a shell. Throws `Refused`.
 */
export function refuseUnsupported(host: string, application: PropApp, chain: readonly Hop[]): void {
  const complaints = [
    ...unknownHops(chain),
    ...chainComplaints(chain),
    ...(chain.every(isKnown) ? unsupported(application, chain) : []),
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

/** What in `application` cannot be applied at the end of `chain`, and why. */
export const unsupported = (application: PropApp, chain: readonly Hop[]): string[] =>
  unsupportedOver(application, kindBehind(chain, "posix"));

function unsupportedOver(application: PropApp, kind: Kind): string[] {
  const unfit =
    kind === "agent"
      ? []
      : [...appliedHere(application)].filter(({ property }) => definitionOf(property).kind === "agent");
  const nested = [...appliedHere(application)].flatMap((each) =>
    each.nested ? nestedComplaints(each, kind) : [],
  );
  return [
    ...unfit.map((each) => `${asWritten(each)} needs an agent on the host; add via.agent() to its hops`),
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
