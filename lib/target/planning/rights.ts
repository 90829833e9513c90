import type { PlannedNode } from "../../model/planned-acts";
import type { OwnerIds } from "../../model/target";

/** What a user may want to do, as the bit of everyone's permissions. */
export const READ = 0o4;
export const WRITE = 0o2;
export const ENTER = 0o1;

/** Whether the mode of `node` allows `right` to the user; undefined: that depends on further groups of the user. */
export function isAllowed(
  { uid, gid, mode }: PlannedNode,
  user: OwnerIds,
  right: number,
): boolean | undefined {
  if (user.uid === 0) return true;
  if (user.uid === uid) return (mode & (right << 6)) !== 0;
  const [group, everyone] = [(mode & (right << 3)) !== 0, (mode & right) !== 0];
  if (user.gid === gid) return group;
  return group === everyone ? everyone : undefined;
}
