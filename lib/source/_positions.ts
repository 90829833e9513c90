import { SourceMap, type SourceMapPayload } from "node:module";

/** A position in a source file. */
export interface SourceLocation {
  readonly file: string;
  readonly line?: number | undefined;
  readonly column?: number | undefined;
}

const MAP = "//# sourceMappingURL=data:application/json;charset=utf-8;base64,";

/** A compiled module without its source map and list of imports, which only the controller needs. */
export function withoutMap(compiled: string): string {
  const at = compiled.lastIndexOf("\n//# imports=");
  return at < 0 ? compiled : compiled.slice(0, at + 1);
}

/** The source map of a compiled module. Undefined: it has none, and its lines are those of the source. */
export function mapOf(compiled: string): SourceMap | undefined {
  const text = mapTextOf(compiled);
  return text === undefined ? undefined : new SourceMap(JSON.parse(text) as SourceMapPayload);
}

/** The source map as JSON. */
export function mapTextOf(compiled: string): string | undefined {
  const at = compiled.lastIndexOf(MAP);
  return at < 0 ? undefined : Buffer.from(compiled.slice(at + MAP.length), "base64").toString();
}

/** Maps a compiled `line` and `column` (from 1) to the source; undefined for lines that the compiler added. */
export function mapped(
  map: SourceMap,
  line: number,
  column: number,
): { line: number; column: number } | undefined {
  const entry = map.findEntry(line - 1, column - 1);
  if (!("originalLine" in entry)) return undefined;
  return { line: entry.originalLine + 1, column: entry.originalColumn + 1 };
}

/** The locations in a stack that Node has mapped, innermost first, each with its frame as printed. */
export function locationsIn(stack: string): { readonly location: SourceLocation; readonly frame: string }[] {
  return stack.split("\n").flatMap((text) => {
    const frame = /^\s+at (.*)$/.exec(text)?.[1];
    const found = frame && /\(?((?:file:\/\/)?\/[^()]*?):(\d+):(\d+)\)?$/.exec(frame);
    if (!frame || !found?.[1]) return [];
    const file = found[1].replace(/^file:\/\//, "");
    return [{ frame, location: { file, line: Number(found[2]), column: Number(found[3]) } }];
  });
}
