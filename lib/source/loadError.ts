import { readFileSync } from "node:fs";
import { ConsfigError } from "../model/errors";
import { around } from "../util/excerpt";
import type { SourceLocation } from "./_positions";

/**
 * The consfig failed to load. The message has the location, the reason and the source line; the stack has only frames
 * of the user's own files.
 */
export class ConsfigLoadError extends ConsfigError {
  /** Absolute. */
  readonly file: string;
  /** From 1; undefined when only the file is known. */
  readonly line: number | undefined;
  readonly column: number | undefined;
  /** The message without location and source line. */
  readonly reason: string;

  constructor(
    location: SourceLocation,
    shownFile: string,
    reason: string,
    frames: readonly string[] = [],
    cause?: unknown,
  ) {
    const { file, line, column } = location;
    const where = [shownFile, line, column].filter((part) => part !== undefined).join(":");
    super(`${where}: ${reason}${excerpt(location)}`, cause === undefined ? undefined : { cause });
    this.file = file;
    this.line = line;
    this.column = column;
    this.reason = reason;
    this.stack = [`${this.name}: ${this.message}`, ...frames.map((frame) => `    at ${frame}`)].join("\n");
  }
}

/** Longer lines are shortened around the column: with what stands before them, they fit into 80 columns. */
const WIDEST = 66;

/** The source line with a caret under the column; empty when it cannot be read. */
export function excerpt({ file, line, column = 1 }: SourceLocation, text = textOf(file)): string {
  const source = line === undefined ? undefined : text?.split(/\r?\n/)[line - 1];
  if (source === undefined || source.trim() === "") return "";
  const shown = around(source.replaceAll("\t", " ").trimEnd(), column, WIDEST);
  const gutter = `  ${line} | `;
  const blank = `${" ".repeat(gutter.length - 2)}| `;
  return `\n\n${gutter}${shown.text}\n${blank}${" ".repeat(shown.column - 1)}^`;
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
