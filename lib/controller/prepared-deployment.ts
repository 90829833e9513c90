import { eseqprops, seqprops } from "../combinators";
import { refuseUnsupported } from "../engine/fit";
import { type PreparedHost, prepare } from "../engine/prepare";
import { InapplicableProperty } from "../model/errors";
import type { Hop } from "../model/hop";
import { type Host, hosts } from "../model/host";
import type { PropApp } from "../model/property";
import { applicablePrefix } from "./applicable-prefix";
import { type LeftOut, leavingOut } from "./leave-out";
import { refuseModules } from "./module-check";
import type { DeployRequest } from "./request";

type Subject = Pick<Host, "name"> | Host;

/** Makes all checks of a deployment that need no connection. Throws `InapplicableProperty`, with all complaints. */
export function prepareDeployment(
  subject: Subject,
  request: DeployRequest,
  leftOut: readonly LeftOut[],
): { chain: readonly Hop[]; prepared: PreparedHost } {
  const { scope, hops } = request;
  const { name } = subject;
  const defined = definitionOf(subject, scope);
  const chain = hops.length > 0 ? hops : defined?.deploy;
  if (!chain) throw noHops(name);
  const whole = preparedTree(defined ?? { name, applications: [] }, request, leftOut);
  const prepared = scope === "posix prefix" ? applicablePrefix(whole, chain) : whole;
  refuseUnsupported(prepared.name, prepared.application, chain);
  refuseModules(prepared);
  return { chain, prepared };
}

/** The host as the consfig defines it now, or the given `makeHost` value. Undefined for a name without definition. */
function definitionOf(subject: Subject, scope: DeployRequest["scope"]): Host | undefined {
  const made = "made" in subject && subject.made ? subject : undefined;
  const defined = made ?? hosts.get(subject.name);
  if (!defined && scope !== "only these") throw noHost(subject.name);
  return defined;
}

function preparedTree(
  host: Pick<Host, "name" | "applications">,
  { scope, applications }: DeployRequest,
  leftOut: readonly LeftOut[],
): PreparedHost {
  const apply = (application: PropApp) => leavingOut(application, leftOut);
  if (scope !== "only these") {
    const further = applications.length > 0 ? [eseqprops(...applications)] : [];
    return prepare(host, apply(seqprops(...host.applications, ...further)));
  }
  const { model } = prepare(host, seqprops(...host.applications));
  return prepare(host, apply(eseqprops(...applications)), model.forAnother());
}

const noHops = (name: string): InapplicableProperty =>
  new InapplicableProperty(
    `${name} has no hops, and none were given; write deploy(host, via.ssh({ user: "root" }), via.agent()), or add { deploy: […] } to its defhost`,
  );

function noHost(name: string): InapplicableProperty {
  const short = hosts.names().filter((each) => each.startsWith(`${name}.`));
  const near = short.length > 0 ? short : hosts.similar(name);
  const hint =
    near.length > 0 ? `did you mean ${near.join(" or ")}?` : "is it defined in hosts/ of the consfig?";
  return new InapplicableProperty(`there is no host ${name}; ${hint}`);
}
