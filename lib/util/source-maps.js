"use strict";
/**
 * Positions in compiled code as positions in its source. Node could map stacks itself, but it reads the map of every file that
 * it loads, which takes a fifth of the time of a start. Plain JavaScript, because the TypeScript loader needs it.
 */
const { SourceMap } = require("node:module");

const MARKER = "\n//# sourceMappingURL=data:application/json;charset=utf-8;base64,";

/** By file: its compiled form, or the map when a position was asked for. */
const known = new Map();

function setSourceMap(file, compiled) {
  known.set(file, compiled);
}

function forgetSourceMap(file) {
  known.delete(file);
}

function sourceMapOf(file) {
  const found = known.get(file);
  if (typeof found !== "string") return found;
  const map = sourceMapIn(found);
  if (map === undefined) known.delete(file);
  else known.set(file, map);
  return map;
}

function sourceMapIn(compiled) {
  const text = mapTextIn(compiled);
  return text === undefined ? undefined : new SourceMap(JSON.parse(text));
}

function mapTextIn(compiled) {
  const at = compiled.lastIndexOf(MARKER);
  return at < 0 ? undefined : Buffer.from(compiled.slice(at + MARKER.length), "base64").toString();
}

function mapped(map, line, column) {
  const entry = map.findEntry(line - 1, column - 1);
  if (!("originalLine" in entry)) return undefined;
  return { line: entry.originalLine + 1, column: entry.originalColumn + 1 };
}

function mapStacks() {
  Error.prepareStackTrace = (error, frames) =>
    [headOf(error), ...frames.map((frame) => `    at ${shown(frame)}`)].join("\n");
}

/** As V8 shows it, also for errors that cannot be shown. */
function headOf(error) {
  try {
    return Error.prototype.toString.call(error);
  } catch {
    return "<error>";
  }
}

function shown(frame) {
  const text = String(frame);
  const map = sourceMapOf(frame.getFileName());
  const found = map && mapped(map, frame.getLineNumber(), frame.getColumnNumber());
  return found ? text.replace(/:\d+:\d+(?=\)?$)/, `:${found.line}:${found.column}`) : text;
}

module.exports = {
  MARKER,
  forgetSourceMap,
  mapped,
  mapStacks,
  mapTextIn,
  setSourceMap,
  sourceMapIn,
  sourceMapOf,
};
