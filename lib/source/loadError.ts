import { readFileSync } from "node:fs";
import { ConsfigError } from "../model/errors";
import type { SourceLocation } from "./_positions";

/**
 * The consfig could not be loaded. The message names the place, the reason, and shows the line; the stack has the
 * user's own frames only.
 */
export class ConsfigLoadError extends ConsfigError {
  /** Absolute. */
  readonly file: string;
  /** From 1; undefined when only the file is known. */
  readonly line: number | undefined;
  readonly column: number | undefined;
  /** What is wrong, without the place. */
  readonly reason: string;

  constructor(
    place: SourceLocation,
    shownFile: string,
    reason: string,
    frames: readonly string[] = [],
    cause?: unknown,
  ) {
    const { file, line, column } = place;
    const where = [shownFile, line, column].filter((part) => part !== undefined).join(":");
    super(`${where}: ${reason}${excerpt(place)}`, cause === undefined ? undefined : { cause });
    this.file = file;
    this.line = line;
    this.column = column;
    this.reason = reason;
    this.stack = [`${this.name}: ${this.message}`, ...frames.map((frame) => `    at ${frame}`)].join("\n");
  }
}

/** Lines longer than this are shown around the place only. */
const WIDEST = 120;

/** The line of source with a caret under the place, or nothing when it cannot be read. */
export function excerpt({ file, line, column = 1 }: SourceLocation, text = textOf(file)): string {
  const source = line === undefined ? undefined : text?.split(/\r?\n/)[line - 1];
  if (source === undefined || source.trim() === "") return "";
  const start = column > WIDEST - 20 ? column - WIDEST / 2 : 0;
  const shown = source.replaceAll("\t", " ").slice(start, start + WIDEST);
  const gutter = `  ${line} | `;
  const blank = `${" ".repeat(gutter.length - 2)}| `;
  return `\n\n${gutter}${shown.trimEnd()}\n${blank}${" ".repeat(column - 1 - start)}^`;
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
