/** A position in a source file. */
export interface SourceLocation {
  readonly file: string;
  readonly line?: number | undefined;
  readonly column?: number | undefined;
}

/** A compiled module without its source map and list of imports, which only the controller needs. */
export function withoutMap(compiled: string): string {
  const at = compiled.lastIndexOf("\n//# imports=");
  return at < 0 ? compiled : compiled.slice(0, at + 1);
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
