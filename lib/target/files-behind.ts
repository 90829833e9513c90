/** The files of a machine as they are seen behind hops. */
import path from "node:path";
import { type Hop, hopDefinition, type SeenFiles } from "../model/hop";
import { isWithin } from "./host-parts";

/** The files behind all of `hops`, of those before the first; undefined when they may be any. */
export function filesBehind(hops: readonly Hop[]): SeenFiles | undefined {
  let seen: SeenFiles = { root: "/" };
  for (const hop of hops) {
    const next = hopDefinition(hop).sees?.(hop.args);
    if (!next) return undefined;
    const except = (seen.except ?? []).flatMap((each) => inward(each, next.root) ?? []);
    seen = {
      root: outward(next.root, seen.root),
      except: [...except, ...(next.except ?? [])],
      ...withUser(next.user ?? seen.user),
    };
  }
  return seen;
}

const withUser = (user: string | undefined): Pick<SeenFiles, "user"> => (user === undefined ? {} : { user });

/** `place` below `root`; "/" for what `root` is or is in; undefined for what cannot be seen from there. */
export function inward(place: string, root: string): string | undefined {
  if (isWithin(root, place)) return "/";
  if (!isWithin(place, root)) return undefined;
  return root === "/" ? place : place.slice(root.length);
}

/** `place`, as it is named inside `root`, as it is named outside. */
export const outward = (place: string, root: string): string =>
  root === "/" ? place : path.posix.join(root, place).replace(/(?<=.)\/+$/, "");
