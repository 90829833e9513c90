import { unsupported } from "../engine/fit";
import { type PreparedHost, preparedHost } from "../engine/prepare";
import { definitionOf, innerOf } from "../model/application";
import { described } from "../model/describe";
import { defprop, type PropApp } from "../model/property";
import { object, string } from "../model/schema";
import type { Hop } from "../model/types";

/**
 * The prepared host, in which the first property that cannot be applied at the end of `chain`, and all properties after
 * it, are replaced by skipped steps. Their facts are kept.
 */
export function applicablePrefix(
  { name, model, application }: PreparedHost,
  chain: readonly Hop[],
): PreparedHost {
  const applications = innerOf(application);
  const reasons = applications.map((each) => unsupported(each, chain)[0]);
  const end = reasons.findIndex((reason) => reason !== undefined);
  if (end < 0) return preparedHost(name, model, application);
  const replaced = applications
    .slice(end)
    .flatMap((each, index) =>
      reportedSteps(each).map((step) =>
        skipped(described(step), reasons[end + index] ?? "a property before it needs an agent", step.site),
      ),
    );
  const prefix = applications.slice(0, end);
  return preparedHost(name, model, { ...application, args: { applications: [...prefix, ...replaced] } });
}

/** The applications that would be reported as steps: for an inline one, those inside it. */
function reportedSteps(application: PropApp): readonly PropApp[] {
  const { inline, skip, desc } = definitionOf(application.property);
  return inline && !skip && !desc ? innerOf(application).flatMap(reportedSteps) : [application];
}

/** Replaces a property that is neither applied nor sent. */
const skipped = defprop({
  name: "_skipped",
  kind: "posix",
  args: object({ what: string(), reason: string(), site: string() }),
  call: (what: string, reason: string, site: string) => ({ what, reason, site }),
  desc: ({ what }) => what,
  inline: true,
  apply: async (args, _target, steps) => {
    const { what, reason, site } = args;
    steps.within({ desc: what }).skip({ property: "_skipped", args, site }, reason);
    return "unchanged";
  },
});
