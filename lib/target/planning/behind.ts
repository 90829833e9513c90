/** What a plan knows, as it is seen behind hops, and back. */
import type { SeenFiles } from "../../model/hop";
import type { PlannedAct, PlannedBy, PlannedNode } from "../../model/planned-acts";
import type { HostParts, OwnerIds } from "../../model/target";
import { inward, outward } from "../files-behind";
import { isWithin } from "../host-parts";
import { ENTER, isAllowed, READ } from "./rights";

/** A content over this size, in bytes, is not passed on: those that ask for it depend on its step. */
const MOST_PASSED = 1 << 20;

/** Whether the user behind the hops may do `right` with a file. */
type Allows = (node: PlannedNode, right: number) => boolean;

/**
 * What is planned before the hops as it is seen behind them. What another user may not see there is not passed on. `ids`: of
 * that user, where they are known.
 */
export function actsInside(acts: readonly PlannedAct[], files: SeenFiles, ids?: OwnerIds): PlannedAct[] {
  const closed = new Set<string>();
  const allows: Allows = (node, right) =>
    files.user === undefined || isAllowed(node, ids ?? NOBODY, right) === true;
  return acts.flatMap((act): PlannedAct[] => {
    if (act.kind === "file") return fileInside(act, files, closed, allows);
    if (act.kind === "unknown") return [unknown(act, partsInside(act.parts, files))];
    return isSame(files) ? [act] : [unknown(act, partsInside(act.about, files))];
  });
}

/** What is planned behind the hops as it is seen before them. */
export const actsOutside = (acts: readonly PlannedAct[], files: SeenFiles): PlannedAct[] =>
  acts.map((act) => {
    if (act.kind === "file") return fileOutside(act, files);
    if (act.kind === "unknown") return unknown(act, partsOutside(act.parts, files));
    return isSame(files) ? act : unknown(act, partsOutside(act.about, files));
  });

/** The acts of steps on another machine: they change something, but nothing here. */
export const actsElsewhere = (acts: readonly PlannedAct[]): PlannedAct[] =>
  acts.map((act) => unknown(act, {}));

type FileAct = PlannedAct & { readonly kind: "file" };

/** No owner of any file: only what everyone may do is allowed. */
const NOBODY: OwnerIds = { uid: -1, gid: -1 };

/** `closed`: the planned directories that the user cannot enter. */
function fileInside(act: FileAct, files: SeenFiles, closed: Set<string>, allows: Allows): PlannedAct[] {
  const { node } = act;
  const place = inward(act.place, files.root);
  if (place === undefined) return [];
  if (place === "/") {
    // The root itself, or what it is in: only its attributes may have changed.
    const stays = node?.type === "directory" && node.source === act.place;
    return stays ? [] : [unknown(act, undefined)];
  }
  const source = node?.source === undefined ? undefined : inward(node.source, files.root);
  const isElsewhere = node?.source !== undefined && (source === undefined || source === "/");
  const unseen = [place, ...(source === undefined ? [] : [source])].some((each) => isExcepted(each, files));
  if (node?.type === "directory" && !allows(node, ENTER)) closed.add(place);
  else closed.delete(place);
  const isReadable = node?.type !== "file" || allows(node, READ);
  const isClosed = [...closed].some((each) => isWithin(place, each));
  if (isElsewhere || unseen || isClosed || isLarge(node) || !isReadable)
    return [unknown(act, { paths: [place] })];
  return [{ ...act, place, ...(node && { node: withSource(node, source) }) }];
}

function fileOutside(act: FileAct, files: SeenFiles): PlannedAct {
  const { place, node } = act;
  const unseen = [place, ...(node?.source === undefined ? [] : [node.source])];
  if (unseen.some((each) => isExcepted(each, files)) || isLarge(node))
    return unknown(act, partsOutside({ paths: [place] }, files));
  const source = node?.source === undefined ? undefined : outward(node.source, files.root);
  return { ...act, place: outward(place, files.root), ...(node && { node: withSource(node, source) }) };
}

const withSource = (node: PlannedNode, source: string | undefined): PlannedNode =>
  source === undefined ? node : { ...node, source };

const isLarge = (node: PlannedNode | undefined): boolean => (node?.content?.length ?? 0) > MOST_PASSED;

/** Whether commands see the same behind the hops. */
const isSame = ({ root, user }: SeenFiles): boolean => root === "/" && user === undefined;

const isExcepted = (place: string, { except = [] }: SeenFiles): boolean =>
  except.some((each) => isWithin(place, each));

function partsInside(parts: HostParts | undefined, files: SeenFiles): HostParts | undefined {
  if (!parts || files.root === "/") return parts;
  // Packages and accounts are those of the host around it; its services are reached from inside.
  const { packages: _around, accounts: _too, paths = [], ...rest } = parts;
  return { ...rest, paths: paths.flatMap((each) => inward(each, files.root) ?? []) };
}

function partsOutside(parts: HostParts | undefined, files: SeenFiles): HostParts | undefined {
  const { root } = files;
  if (!parts) return root === "/" ? undefined : { paths: [root, ...(files.except ?? [])], units: true };
  const { paths = [], units } = parts;
  // What is mounted there may be what is mounted before the hop, or belong to neither.
  const all = paths.flatMap((each) =>
    isExcepted(each, files) ? [outward(each, root), each] : [outward(each, root)],
  );
  if (root === "/") return { ...parts, paths: all };
  const isWhole = parts.packages || parts.accounts || parts.additions;
  return { paths: isWhole ? [root, ...all] : all, ...(units && { units }) };
}

const unknown = ({ step, certain }: PlannedBy, parts: HostParts | undefined): PlannedAct => ({
  kind: "unknown",
  ...(parts && { parts }),
  step,
  certain,
});
