import { asWritten } from "../model/application";
import { AbortedChange, Refused } from "../model/errors";
import { asCode } from "../model/property";
import type { PosixTarget } from "../model/target";
import type { HostState, PropApp } from "../model/types";
import { prepare } from "./prepare";

/**
 * `application`, which a property made while it was applied, prepared on a copy of the host's facts. Throws
 * `AbortedChange` when it does not fit. `lost` is told the names of facts that it wanted to record: nobody will see them.
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

/** Names of the facts that have values now which they had not before. */
function added(before: HostState["attributes"], after: HostState["attributes"]): string[] {
  return Object.entries(after)
    .filter(([key, values]) => {
      const known = new Set((before[key] ?? []).map((value) => JSON.stringify(value)));
      return values.some((value) => !known.has(JSON.stringify(value)));
    })
    .map(([key]) => key);
}

/** What is said of facts that are lost. */
export const lostFactsNotice = ({ property, args, site }: PropApp, facts: readonly string[]): string =>
  `${asCode(property, [args])} at ${site} was applied by another property, and the facts it records about the host are lost (${facts.join(", ")}); record them in the hostattrs of that property, or wrap it in ignoringHostattrs(…)`;
