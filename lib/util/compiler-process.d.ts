/**
 * Waits for the function `name` of the module `file` (absolute) in the compiler's process, which is started if need be.
 * Arguments and result are plain data. What it throws is thrown again as an Error with the same name, message and fields.
 */
export function inCompiler(file: string, name: string, ...args: readonly unknown[]): unknown;
/** Like `inCompiler`, without blocking. */
export function inCompilerLater(file: string, name: string, ...args: readonly unknown[]): Promise<unknown>;
/** Like `inCompilerLater`, but this process does not wait for the answer when it has nothing else to do. */
export function inCompilerMeanwhile(
  file: string,
  name: string,
  ...args: readonly unknown[]
): Promise<unknown>;
/** Whether the process was started, and has not ended. */
export function compilerIsRunning(): boolean;
/** Ends the process if it runs. Calls that still wait fail. */
export function endCompiler(): void;
