import { seqprops } from "../combinators";
import { refuseUnsupported } from "../engine/fit";
import { prepare } from "../engine/prepare";
import { ConsfigError, Refused } from "../model/errors";
import type { Host } from "../model/host";
import type { PropApp } from "../model/property";

/** One thing for which a host would be refused. */
export interface Complaint {
  /** `file:line:column` in the consfig. */
  readonly site: string;
  readonly message: string;
}

/**
 * Everything for which `host` would be refused before anybody is connected to: in its own properties, in deployments
 * nested in them, and in its chain of hops.
 */
export function complaintsOf(host: Host): Complaint[] {
  let application: PropApp | undefined;
  const found = refusalsOf(() => {
    ({ application } = prepare(host, seqprops(...host.applications)));
  });
  const { deploy } = host;
  const unfit = deploy
    ? refusalsOf(() => refuseUnsupported(host.name, application ?? seqprops(), deploy))
    : [];
  return [...found, ...unfit].map((message) => placed(message, host.site));
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

/** A complaint says of what it is with its place, `CODE at PLACE`; what says none is about the host as a whole. */
function placed(text: string, site: string): Complaint {
  const [whole, place] = / at ([^\s:]+:\d+:\d+)(?=:|\s|$)/.exec(text) ?? [];
  return whole === undefined || place === undefined
    ? { site, message: text }
    : { site: place, message: text.replace(whole, "") };
}
