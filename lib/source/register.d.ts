/**
 * Compiles `code`, TypeScript from `file`, to CommonJS with a source map. Throws `CompileError`: a
 * SyntaxError with `file`, `line`, `column`, `reason` and `diagnosticCodes`.
 */
export function compile(code: string, file: string): string;
/** The file that `request` refers to if this package exports it. */
export function ownFile(request: string): string | undefined;
/** Runs `code` as the body of `module`, always as CommonJS. */
export function run(module: NodeJS.Module, code: string, file: string): void;
/** Starts the compiler, which takes half a second, without blocking. */
export function warmUp(): Promise<void>;
