/**
 * `code`, TypeScript from `file`, as a CommonJS module with an inline source map. Throws `CompileError`: a
 * SyntaxError with `file`, `line`, `column`, `reason` and `diagnosticCodes`.
 */
export function compile(code: string, file: string): string;
/** The file that `request` names when it names something that this package exports. */
export function ownFile(request: string): string | undefined;
/** `module` run as `code`: always as CommonJS. */
export function run(module: NodeJS.Module, code: string, file: string): void;
