import { seqprops } from "../combinators";
import { refuseUnsupported } from "../engine/fit";
import { prepare } from "../engine/prepare";
import { ConsfigError, Refused } from "../model/errors";
import type { Host } from "../model/host";
import type { PropApp } from "../model/property";

/** A reason for which a host would be refused. */
export interface Complaint {
  /** `file:line:column` in the consfig. */
  readonly site: string;
  readonly message: string;
}

/**
 * All reasons for which `host` would be refused before connecting: in its own properties, in their nested deployments, and
 * in its chain of hops.
 */
export function complaintsOf(host: Host): Complaint[] {
  let application: PropApp | undefined;
  const found = refusalsOf(() => {
    ({ application } = prepare(host, seqprops(...host.applications)));
  });
  const { deploy } = host;
  const unsupported = deploy
    ? refusalsOf(() => refuseUnsupported(host.name, application ?? seqprops(), deploy))
    : [];
  return [...found, ...unsupported].map((message) => complaintAt(message, host.site));
}

function refusalsOf(act: () => void): readonly string[] {
  try {
    act();
    return [];
  } catch (error) {
    if (error instanceof Refused) return error.complaints;
    return [error instanceof ConsfigError ? error.message : String(error)];
  }
}

/** Splits the location off `CODE at FILE:LINE:COLUMN`; a complaint without one is about the host, defined at `site`. */
function complaintAt(text: string, site: string): Complaint {
  const [whole, location] = / at ([^\s:]+:\d+:\d+)(?=:|\s|$)/.exec(text) ?? [];
  return whole === undefined || location === undefined
    ? { site, message: text }
    : { site: location, message: text.replace(whole, "") };
}
