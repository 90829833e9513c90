import { inspect } from "node:util";
import { seqprops } from "../combinators";
import { saidBy } from "../controller/leave-out";
import { prepareDeployment } from "../controller/prepared-deployment";
import { definitionOf, innerOf } from "../model/application";
import { described } from "../model/describe";
import type { Hop } from "../model/hop";
import { hosts } from "../model/host";
import type { Nested, PropApp } from "../model/property";
import type { Report, StepReport } from "../model/report";
import { mapApplications } from "../model/schema";
import { filesBehind } from "../target/files-behind";
import { requestOf, type Subject } from "./planned";

/** A step, as its consfig has it. */
export interface Said {
  /** As code. */
  readonly property: string;
  /** `file:line:column`. */
  readonly place: string;
  /** What it does, where a property around it does that; null for one that the consfig names itself. */
  readonly step: string | null;
}

/** What the definition of `subject` says, as a consfig has it. */
export class DefinitionOf {
  readonly #whole: PropApp;

  constructor(private readonly subject: Subject) {
    const defined = "applications" in subject ? subject : hosts.get(subject.name);
    this.#whole = seqprops(...(defined?.applications ?? []));
  }

  /** How the consfig says `step`, one of `report`. */
  said(step: Pick<StepReport, "property" | "site" | "desc" | "parent">, steps: StepsByNumber): Said {
    const around: StepReport[] = [];
    for (let each = steps.get(step.parent ?? 0); each; each = steps.get(each.parent ?? 0)) around.push(each);
    const own = saidBy(this.#whole, [step]);
    if (own) return { property: inspect(own, ON_ONE_LINE), place: own.site, step: null };
    const outer = saidBy(this.#whole, around);
    return outer
      ? { property: inspect(outer, ON_ONE_LINE), place: outer.site, step: step.desc }
      : { property: step.property, place: step.site, step: step.desc };
  }

  /** The steps of `report` that are about the host itself, not about others that it deploys. Throws `InapplicableProperty`. */
  own({ steps }: Report, hops: readonly Hop[]): StepReport[] {
    const elsewhere = new Set<string>();
    const visit = (application: PropApp): void => {
      const { nested } = application;
      if (nested && !isHere(nested)) elsewhere.add(keyOf({ ...application, desc: described(application) }));
      else for (const each of nested ? [nested.application] : innerOf(application)) visit(each);
    };
    visit(this.#prepared(hops));
    const outside = new Set<number>();
    return steps.filter((step) => {
      const isOutside = outside.has(step.parent ?? 0) || elsewhere.has(keyOf(step));
      if (isOutside) outside.add(step.step);
      return !isOutside;
    });
  }

  #prepared(hops: readonly Hop[]): PropApp {
    return prepareDeployment(this.subject, requestOf([this.subject], hops), []).prepared.application;
  }

  /** The applications that have one of `names` among their arguments, and those around each. Throws `InapplicableProperty`. */
  naming(names: readonly string[], hops: readonly Hop[]): Said[] {
    const found: Said[] = [];
    const visit = (application: PropApp, around: readonly PropApp[]): void => {
      const { property, args, site, nested } = application;
      const definition = definitionOf(property);
      const chain = [application, ...around];
      if (!definition.inline && mentions(ownArguments(definition.args, args), names)) {
        const path = chain.map((each) => ({
          property: each.property,
          site: each.site,
          desc: described(each),
        }));
        const own = saidBy(this.#whole, path.slice(0, 1));
        const outer = own ?? saidBy(this.#whole, path.slice(1));
        found.push({
          property: outer ? inspect(outer, ON_ONE_LINE) : property,
          place: outer?.site ?? site,
          step: own ? null : described(application),
        });
      }
      if (nested && !isHere(nested)) return;
      for (const each of nested ? [nested.application] : innerOf(application)) visit(each, chain);
    };
    visit(this.#prepared(hops), []);
    return found;
  }
}

export type StepsByNumber = ReadonlyMap<number, StepReport>;

export const byNumber = ({ steps }: Pick<Report, "steps">): StepsByNumber =>
  new Map(steps.map((step) => [step.step, step]));

const keyOf = ({ property, site, desc }: Pick<StepReport, "property" | "site" | "desc">): string =>
  [property, site, desc].join("\n");

const ON_ONE_LINE = { breakLength: Number.POSITIVE_INFINITY };

/** Whether a nested deployment sees the files of the host around it. */
const isHere = ({ hops }: Nested): boolean => filesBehind(hops)?.root === "/";

/** Whether one of `names` is a text in `value`. */
const mentions = (value: unknown, names: readonly string[]): boolean =>
  typeof value === "string"
    ? names.includes(value)
    : typeof value === "object" &&
      value !== null &&
      Object.values(value).some((each) => mentions(each, names));

/** The arguments without the applications among them. */
const ownArguments = (schema: Parameters<typeof mapApplications>[0], args: unknown): unknown =>
  mapApplications(schema, args, () => ({ property: "", args: null, site: "" }));
