import { seqprops } from "../combinators";
import { refuseUnsupported } from "../engine/fit";
import { type PreparedHost, prepare } from "../engine/prepare";
import { appliedAnywhere, modulesOf, requiredBy } from "../model/application";
import { ConsfigError, Refused } from "../model/errors";
import { agentIndex } from "../model/hop-chain";
import type { Host } from "../model/host";
import type { Consfig } from "../source/consfig";
import { refuseModules } from "./module-check";
import { type RequiredData, requiredData } from "./required-data";

/** A reason for which a host would be refused. */
export interface Complaint {
  /** `file:line:column` in the consfig. */
  readonly site: string;
  readonly message: string;
}

/** A host without deploying it. */
export interface Checked {
  readonly complaints: readonly Complaint[];
  /** The modules that its properties name, such as "/services/cool". */
  readonly modules: readonly string[];
  /** The data that it needs. */
  readonly data: RequiredData["available"];
}

/**
 * All reasons for which `host`, of `consfig`, would be refused before connecting: in its own properties, in their nested
 * deployments, in its chain of hops, in what would be sent to it, and in the data that it needs, which is not fetched.
 */
export async function checked(host: Host, consfig: Consfig): Promise<Checked> {
  let prepared: PreparedHost | undefined;
  const found = refusalsOf(() => {
    prepared = prepare(host, seqprops(...host.applications));
  });
  const { deploy } = host;
  const unsupported = deploy
    ? refusalsOf(() => refuseUnsupported(host.name, prepared?.application ?? seqprops(), deploy))
    : [];
  const unsendable = prepared
    ? refusalsOf(() => refuseUnsendable(host, prepared as PreparedHost, consfig))
    : [];
  const data = prepared ? await requiredData(prepared) : { available: [], complaints: [] };
  return {
    complaints: [...found, ...unsupported, ...unsendable, ...data.complaints].map((message) =>
      complaintAt(message, host.site),
    ),
    modules: prepared ? [...appliedAnywhere(prepared.application)].flatMap(modulesOf) : [],
    data: data.available,
  };
}

function refuseUnsendable({ deploy = [] }: Host, prepared: PreparedHost, consfig: Consfig): void {
  refuseModules(prepared, consfig);
  if (agentIndex(deploy) < 0) return;
  const { application, model } = prepared;
  consfig.manifest(...requiredBy({ application, hops: deploy, host: model.toJSON() }));
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
