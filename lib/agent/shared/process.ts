/** Small heaps: an idle agent should use little memory. */
export const NODE_FLAGS = ["--max-semi-space-size=2", "--no-warnings"];

/** The file descriptor of the supervisor's lock. */
export const LOCK_FD = 9;

/** The file descriptor of the socket between a child worker and the worker that started it. */
export const CHILD_FD = 3;
