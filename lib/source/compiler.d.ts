/** Starts the TypeScript compiler, which takes a third of a second. Called while the user is idle. */
export function warmUp(): void;
