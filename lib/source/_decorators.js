"use strict";
/** What decorators mean: the standard, unless the user's tsconfig.json says otherwise. */
const fs = require("node:fs");
const path = require("node:path");
const { root } = require("../util/package.js");

const SETTINGS = ["experimentalDecorators", "emitDecoratorMetadata"];

/** Compiler options for the decorators in `code`, from the nearest tsconfig.json and those that it extends. */
function decoratorOptions(code, file) {
  if (file.startsWith(root + path.sep) || !/(^|[\s(])@[\w$]/m.test(code)) return {};
  const config = nearest(path.dirname(file));
  return config === undefined ? {} : optionsIn(config, 0);
}

function nearest(directory) {
  const file = path.join(directory, "tsconfig.json");
  if (fs.existsSync(file)) return file;
  const parent = path.dirname(directory);
  return parent === directory ? undefined : nearest(parent);
}

/** `depth`: a file may extend itself by mistake. */
function optionsIn(file, depth) {
  const text = textOf(file);
  const [, extended] = /"extends"\s*:\s*"(\.[^"]+)"/.exec(text) ?? [];
  const base =
    extended === undefined || depth > 5
      ? {}
      : optionsIn(path.resolve(path.dirname(file), extended.replace(/(\.json)?$/, ".json")), depth + 1);
  const own = SETTINGS.flatMap((name) => {
    const [, value] = new RegExp(`^(?!\\s*//).*"${name}"\\s*:\\s*(true|false)`, "m").exec(text) ?? [];
    return value === undefined ? [] : [[name, value === "true"]];
  });
  return { ...base, ...Object.fromEntries(own) };
}

function textOf(file) {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

module.exports = { decoratorOptions };
