import { Registry } from "../lib/model/registry";
import { Site } from "../lib/model/site";

/** Those of `names` that `wanted` may have been meant to be, nearest first. */
export function near(wanted: string, names: readonly string[]): string[] {
  const registry = new Registry<true>("name");
  const here = new Site("prompt", 0, 0);
  for (const name of names) registry.define(name, true, here);
  // Of short names, most are near to each other.
  return wanted.length > 3 ? registry.similar(wanted) : [];
}
