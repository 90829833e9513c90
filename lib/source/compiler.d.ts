/** Starts the compiler of TypeScript, which takes a third of a second: called when nobody waits. */
export function warmUp(): void;
