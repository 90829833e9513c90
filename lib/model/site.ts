import { homedir } from "node:os";
import path from "node:path";
import { getCallSites } from "node:util";
import { mapped, sourceMapOf } from "../util/source-maps.js";

/** The file name of lines typed at the prompt. */
export const PROMPT = "prompt";

/** A location in the user's sources. Prints as `file:line:column`, relative to the consfig and mapped to the original. */
export class Site {
  #text: string | undefined;

  constructor(
    /** The absolute path of the file as loaded, or PROMPT. */
    readonly file: string,
    readonly line: number,
    readonly column: number,
  ) {}

  get atPrompt(): boolean {
    return this.file.startsWith(PROMPT);
  }

  /** The source map is applied on demand: that costs more than recording the call. */
  toString(): string {
    this.#text ??= this.#mapped();
    return this.#text;
  }

  toJSON(): string {
    return this.toString();
  }

  #mapped(): string {
    const map = sourceMapOf(this.file);
    const { line, column } = (map && mapped(map, this.line, this.column)) ?? this;
    const shown = this.atPrompt
      ? this.file.replace(/^prompt:\/\/(\d+)$/, "prompt[$1]")
      : relativeToRoot(this.file);
    return `${shown}:${line}:${column}`;
  }
}

let siteRoot = process.cwd();
/** Sites print relative to `directory`, the consfig's. */
export function setSiteRoot(directory: string): void {
  siteRoot = directory;
}

/** The absolute path of `location`: `~/` is the user's home, and a relative path starts at the consfig. */
export const fromSiteRoot = (location: string): string =>
  path.resolve(siteRoot, location.replace(/^~(?=\/|$)/, homedir()));

function relativeToRoot(file: string): string {
  const relative = path.relative(siteRoot, file);
  return relative.startsWith("..") ? file : relative;
}

/**
 * The line that called the caller of this function. `above` is the number of further frames to skip, for helpers between
 * the user's line and the function that asks.
 */
export function callSite(above = 0): Site {
  const frame = getCallSites(3 + above)[2 + above];
  return frame ? new Site(frame.scriptName, frame.lineNumber, frame.columnNumber) : new Site(PROMPT, 0, 0);
}
