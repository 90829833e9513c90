/** Is told of the process groups of commands: when one is started, and when it has ended. */
export interface GroupListener {
  started(leader: number): void;
  ended(leader: number): void;
}

let listener: GroupListener | undefined;

/** From now on `to` is told of every command that this process starts in a group of its own. */
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
