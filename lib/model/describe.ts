import { definitionOf, innerOf } from "./application";
import { asCode, type Direction, type PropApp } from "./property";

/** The description of `application`; for an inline one without a description, those of the applications in it. */
export function described(application: PropApp, direction: Direction = "apply"): string {
  const { property, args } = application;
  const definition = definitionOf(property);
  const { desc, inline } = definition;
  const inner = desc || !inline ? [] : innerOf(application);
  if (inner.length > 0) return inner.map((each) => described(each, direction)).join(", ");
  const text = desc ? desc(args) : asCode(property, [args], { args: definition.args });
  return direction === "apply" ? text : `not: ${text}`;
}

/** As `described`; falls back to the code for a property that is not defined. */
export function describedOrNamed(application: PropApp, direction: Direction): string {
  try {
    return described(application, direction);
  } catch {
    return asCode(application.property, [application.args]);
  }
}
