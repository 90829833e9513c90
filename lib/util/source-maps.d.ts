import type { SourceMap } from "node:module";

/** What comes between compiled code and its source map, in base64, where that is in the code itself. */
export const MARKER: string;
/** Positions in `file` are mapped by the source map of `compiled`, its form that is loaded, from now on. */
export function setSourceMap(file: string, compiled: string): void;
/** Positions in `file` are shown as they are in its compiled form from now on. */
export function forgetSourceMap(file: string): void;
/** The map that is in use for `file`, the name under which it was loaded. */
export function sourceMapOf(file: string): SourceMap | undefined;
/** The source map of a compiled module. Undefined: it has none, and its lines are those of the source. */
export function sourceMapIn(compiled: string): SourceMap | undefined;
/** The source map of a compiled module, as JSON. */
export function mapTextIn(compiled: string): string | undefined;
/** `compiled` with its source map elsewhere. */
export function withMapAt(url: string, compiled: string): string;
/** Maps a compiled `line` and `column` (from 1) to the source; undefined for lines that the compiler added. */
export function mapped(
  map: SourceMap,
  line: number,
  column: number,
): { line: number; column: number } | undefined;
/** Stacks of this process show positions in the sources. */
export function mapStacks(): void;
