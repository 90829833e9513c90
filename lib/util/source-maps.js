"use strict";
/**
 * Positions in compiled code as positions in its source. Node could map stacks itself, but it reads the map of every file that
 * it loads, which takes a fifth of the time of a start. Plain JavaScript, because the TypeScript loader needs it.
 */
const { readFileSync } = require("node:fs");
const { SourceMap } = require("node:module");
const { fileURLToPath } = require("node:url");

const URL_MARKER = "\n//# sourceMappingURL=";
const DATA = "data:application/json;charset=utf-8;base64,";
const MARKER = `${URL_MARKER}${DATA}`;

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
  const at = compiled.lastIndexOf(URL_MARKER);
  if (at < 0) return undefined;
  const url = compiled.slice(at + URL_MARKER.length);
  if (url.startsWith(DATA)) return Buffer.from(url.slice(DATA.length), "base64").toString();
  try {
    return readFileSync(fileURLToPath(url), "utf8");
  } catch {
    return undefined; // it was removed from the cache
  }
}

function withMapAt(url, compiled) {
  return `${compiled.slice(0, compiled.lastIndexOf(URL_MARKER))}${URL_MARKER}${url}`;
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
  withMapAt,
};
