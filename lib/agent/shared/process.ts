/** Small heaps: an agent at rest should not be noticed. */
export const NODE_FLAGS = ["--max-semi-space-size=2", "--no-warnings"];

/** The descriptor on which a supervisor holds its lock. */
export const LOCK_FD = 9;

/** The descriptor on which a child speaks with the worker that asked for it. */
export const CHILD_FD = 3;
