/** Receives the process groups of commands when they start and when they have ended. */
export interface GroupListener {
  started(leader: number): void;
  ended(leader: number): void;
}

let listener: GroupListener | undefined;

/** Reports every further command that this process starts in its own process group to `to`. */
export function reportGroups(to: GroupListener): void {
  listener = to;
}

/** Reports the group that `leader` leads; call the result when the command has ended. */
export function groupStarted(leader: number | undefined): () => void {
  const to = listener;
  if (!to || leader === undefined) return () => {};
  to.started(leader);
  return () => to.ended(leader);
}
