import { unsupported } from "../engine/fit";
import { type PreparedHost, preparedHost } from "../engine/prepare";
import { definitionOf, innerOf } from "../model/application";
import { described } from "../model/describe";
import { defprop, type PropApp } from "../model/property";
import { object, string } from "../model/schema";
import type { Hop } from "../model/types";

/**
 * `prepared` as far as it can be applied at the end of `chain`: the first property that cannot, and all that stand behind
 * it, are reported as skipped. The facts of all are known.
 */
export function applicablePrefix(
  { name, model, application }: PreparedHost,
  chain: readonly Hop[],
): PreparedHost {
  const said = innerOf(application);
  const reasons = said.map((each) => unsupported(each, chain)[0]);
  const end = reasons.findIndex((reason) => reason !== undefined);
  if (end < 0) return preparedHost(name, model, application);
  const behind = said
    .slice(end)
    .flatMap((each, index) =>
      announced(each).map((step) =>
        skipped(described(step), reasons[end + index] ?? "a property before it needs an agent", step.site),
      ),
    );
  const applications = [...said.slice(0, end), ...behind];
  return preparedHost(name, model, { ...application, args: { applications } });
}

/** What would be steps of the report: of an inline one, what is in it. */
function announced(application: PropApp): readonly PropApp[] {
  const { inline, skip, desc } = definitionOf(application.property);
  return inline && !skip && !desc ? innerOf(application).flatMap(announced) : [application];
}

/** Stands for what is not applied, and is not sent. */
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
