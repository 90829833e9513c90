"use strict";
/**
 * Makes `require("./x.ts")` work: compiles through ts-node, without type checks, and keeps the output on disk by
 * content, so that neither ts-node nor typescript is loaded when nothing changed. Plain JavaScript because it is
 * what loads everything else.
 */
const { createHash } = require("node:crypto");
const fs = require("node:fs");
const Module = require("node:module");
const path = require("node:path");
const { cacheHome, root } = require("../util/package.js");

/** Raise this when the compiled form changes for a reason that no version number shows. */
const FORMAT = 3;
const { name: ownName, exports: ownExports } = require(path.join(root, "package.json"));

const compiledDirectory = path.join(cacheHome, "compiled");

const versions = ["typescript", "ts-node"].map((name) => require(`${name}/package.json`).version).join(" ");

/** Kept files that this process read or wrote, so that pruning knows what is in use. */
const used = new Set();

/** The name under which the compiled form of `code` is kept: a hash of all it depends on. */
function compiledName(code, file) {
  const flavour = path.extname(file);
  return createHash("sha256")
    .update(`${FORMAT} ${versions} ${flavour}\0`)
    .update(file)
    .update("\0")
    .update(code)
    .digest("hex");
}

/**
 * `code`, TypeScript from `file`, as a CommonJS module with an inline source map, whatever the package of `file` says
 * its modules are. Throws `CompileError`: the first thing that the compiler says.
 */
function compile(code, file) {
  const kept = path.join(compiledDirectory, `${compiledName(code, file)}.js`);
  used.add(kept);
  pruneLater();
  try {
    return fs.readFileSync(kept, "utf8");
  } catch {
    const output = require("./compiler.js").translate(code, file);
    writeAtomically(kept, output);
    return output;
  }
}

/** A cache that cannot be written costs time, never the work. */
function writeAtomically(file, text) {
  const temporary = `${file}.${process.pid}`;
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    fs.writeFileSync(temporary, text, { mode: 0o600 });
    fs.renameSync(temporary, file);
  } catch {
    fs.rmSync(temporary, { force: true });
  }
}

let pruning = false;
/** Only a process that lives for some seconds cleans up, and not while somebody waits for it to start. */
function pruneLater() {
  if (pruning) return;
  pruning = true;
  setTimeout(
    () =>
      require("./_prune.js")
        .prune(cacheHome, used)
        .catch(() => {}),
    5_000,
  ).unref();
}

/** `module` run as `code`: always as CommonJS, never guessed to be something else. */
function run(module, code, file) {
  module._compile(code, file, "commonjs");
}

for (const extension of [".ts", ".tsx"]) {
  Module._extensions[extension] = (module, file) =>
    run(module, compile(fs.readFileSync(file, "utf8"), file), file);
}

/** A second copy of this package under some node_modules is never loaded: there is one registry, the live one. */
const resolveFilename = Module._resolveFilename;
Module._resolveFilename = function (request, ...rest) {
  return ownFile(request) ?? resolveFilename.call(this, request, ...rest);
};

/** The file that `request` names when it names something that this package exports. */
function ownFile(request) {
  if (!request.startsWith(ownName)) return undefined;
  const exported = ownExports[`.${request.slice(ownName.length)}`];
  return exported && path.join(root, exported);
}

process.setSourceMapsEnabled(true);
Module.enableCompileCache?.(path.join(cacheHome, "bytecode"));

module.exports = { compile, ownFile, run };
