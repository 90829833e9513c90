import { definitionOf, innerOf } from "./application";
import { asCode, type Direction, type PropApp } from "./property";

/** What people call `application`: its description; of an inline one without, those of what is in it. */
export function described(application: PropApp, direction: Direction = "apply"): string {
  const { property, args } = application;
  const { desc, inline } = definitionOf(property);
  const inner = desc || !inline ? [] : innerOf(application);
  if (inner.length > 0) return inner.map((each) => described(each, direction)).join(", ");
  const text = desc ? desc(args) : asCode(property, [args]);
  return direction === "apply" ? text : `not: ${text}`;
}

/** As `described`, also of what may not be a property. */
export function describedOrNamed(application: PropApp, direction: Direction): string {
  try {
    return described(application, direction);
  } catch {
    return asCode(application.property, [application.args]);
  }
}
