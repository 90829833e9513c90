import { asWritten } from "../model/application";
import { AbortedChange, Refused } from "../model/errors";
import { shared } from "../model/host-facts";
import { asCode } from "../model/property";
import type { PosixTarget } from "../model/target";
import type { HostState, PropApp } from "../model/types";
import { prepare } from "./prepare";

/**
 * Prepares `application`, which a property made while it was applied, on a copy of the host's facts. Throws
 * `AbortedChange` when it is refused. Calls `lost` with the names of the facts that it records: they have no effect.
 */
export function prepareLate(
  application: PropApp,
  target: PosixTarget,
  lost: (facts: readonly string[]) => void,
): PropApp {
  const model = target.host.copy();
  const before = model.toJSON().attributes;
  const prepared = preparedOn(application, model);
  if (prepared.kind === "agent" && target.kind !== "agent") {
    const needing = prepared.agentOnly.map(
      (each) => `${asWritten(each)} needs an agent on the host; add via.agent() to its hops`,
    );
    throw new AbortedChange(needing.join("; "));
  }
  const facts = added(before, model.toJSON().attributes);
  if (facts.length > 0) lost(facts);
  return prepared.application;
}

function preparedOn(application: PropApp, model: ReturnType<PosixTarget["host"]["copy"]>) {
  try {
    return prepare(model, application, model);
  } catch (error) {
    if (error instanceof Refused) throw new AbortedChange(error.complaints.join("; "));
    throw error;
  }
}

/** Names of the facts that gained values. */
function added(before: HostState["attributes"], after: HostState["attributes"]): string[] {
  return Object.entries(after)
    .filter(([key, values]) => {
      const known = new Set((before[key] ?? []).map((value) => JSON.stringify(value)));
      return values.some((value) => !known.has(JSON.stringify(value)));
    })
    .map(([key]) => key)
    .filter((key) => key !== shared.declarations.key);
}

/** The notice about lost facts. */
export const lostFactsNotice = ({ property, args, site }: PropApp, facts: readonly string[]): string =>
  `${asCode(property, [args])} at ${site} was applied by another property, so the facts it records about the host are lost (${facts.join(", ")}); record them in the hostattrs of that property, or wrap it in ignoringHostattrs(…)`;
