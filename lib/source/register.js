"use strict";
/**
 * Makes `require("./x.ts")` work: compiles with ts-node, without type checks, in a process of its own, and caches the output
 * on disk by content, so that the process is not started when nothing changed. Plain JavaScript because it loads everything
 * else.
 */
const { createHash } = require("node:crypto");
const fs = require("node:fs");
const Module = require("node:module");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const { inCompiler, inCompilerMeanwhile } = require("../util/compiler-process.js");
const { decoratorOptions } = require("./_decorators.js");
const { refusalOf } = require("../util/own-directory.js");
const { cacheHome, root } = require("../util/package.js");
const { mapStacks, mapTextIn, setSourceMap, withMapAt } = require("../util/source-maps.js");

const { name: ownName, exports: ownExports } = require(path.join(root, "package.json"));

// What is in the cache is run.
const refusal = refusalOf(cacheHome);
if (refusal !== undefined) {
  process.stderr.write(
    `the cache directory ${cacheHome} is refused: ${refusal}; remove it, or set XDG_CACHE_HOME to a directory of your own\n`,
  );
  process.exit(2);
}

const compiledDirectory = path.join(cacheHome, "compiled");

/** What makes the compiled form: the versions of the compiler, and our own code. */
const makers = createHash("sha256")
  .update(
    [
      ...["typescript", "ts-node"].map((name) => require(`${name}/package.json`).version),
      ...["register.js", "compiler.js", "_traits.js", "_transformers.js", "../util/source-maps.js"].map(
        (name) => fs.readFileSync(path.join(__dirname, name), "utf8"),
      ),
    ].join("\0"),
  )
  .digest("hex");

/** Cached files that this process read or wrote, so that pruning knows what is in use. */
const used = new Set();

/** Cache key of the compiled form of `code`: a hash of everything it depends on. */
function cacheKey(code, file, options) {
  return createHash("sha256")
    .update(makers)
    .update(`${JSON.stringify(options)}\0`)
    .update(path.basename(file))
    .update("\0")
    .update(code)
    .digest("hex");
}

/** The source map of the compiled file `cached`: apart, because it is seldom read, and as long as the code. */
const mapFileOf = (cached) => `${cached}.map`;

/**
 * Compiles `code`, TypeScript from `file`, to CommonJS with a source map, regardless of the "type" in the package.json of
 * `file`. Throws `CompileError` with the first diagnostic.
 */
function compile(code, file) {
  const options = decoratorOptions(code, file);
  const cached = path.join(compiledDirectory, `${cacheKey(code, file, options)}.js`);
  used.add(cached).add(mapFileOf(cached));
  pruneLater();
  try {
    return fs.readFileSync(cached, "utf8");
  } catch {
    const output = translate(code, file, options);
    const stored = store(output, cached);
    forgetOldVersions(file, cached);
    return stored;
  }
}

/** Writes `output` to the cache; returns what will be read there. An unwritable cache costs time but is not an error. */
function store(output, cached) {
  const stored = withMapAt(`${pathToFileURL(mapFileOf(cached))}`, output);
  return writeAtomically(mapFileOf(cached), mapTextIn(output)) && writeAtomically(cached, stored)
    ? stored
    : output;
}

/** A syntax error reported by the compiler: the first diagnostic, and the number of further ones. */
class CompileError extends SyntaxError {
  constructor(message, fields) {
    super(message);
    this.name = "CompileError";
    Object.assign(this, fields);
  }
}

const COMPILER = path.join(__dirname, "compiler.js");

/** Starts the compiler, which takes half a second, without blocking. */
async function warmUp() {
  await inCompilerMeanwhile(COMPILER, "warmUp").catch(() => {}); // the next compilation tries again, and reports
}

function translate(code, file, options) {
  const { output, refused } = inCompiler(COMPILER, "translate", code, file, options);
  if (refused === undefined) return output;
  const { line, column, reason, more } = refused;
  throw new CompileError(`${file}:${line}:${column}: ${reason}${more > 0 ? ` (and ${more} more)` : ""}`, {
    file,
    ...refused,
  });
}

/** How many versions of one file that this process has compiled stay in the cache: a file is edited all day. */
const KEPT_VERSIONS = 8;
const versionsOf = new Map();

function forgetOldVersions(file, newest) {
  const compiled = versionsOf.get(file) ?? [];
  versionsOf.set(file, compiled);
  compiled.push(newest);
  if (compiled.length <= KEPT_VERSIONS) return;
  const oldest = compiled.shift();
  for (const each of [oldest, mapFileOf(oldest)]) {
    used.delete(each);
    if (!compiled.includes(oldest)) fs.rmSync(each, { force: true });
  }
}

/** Returns whether it could. */
function writeAtomically(file, text) {
  const temporary = `${file}.${process.pid}`;
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    fs.writeFileSync(temporary, text, { mode: 0o600 });
    fs.renameSync(temporary, file);
    return true;
  } catch {
    fs.rmSync(temporary, { force: true });
    return false;
  }
}

let pruning = false;
/** Prunes 5 seconds after the first compilation: short-lived processes skip it, and starts are not delayed. */
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

/** Runs `code` as the body of `module`, always as CommonJS; Node does not detect the format. */
function run(module, code, file) {
  setSourceMap(file, code);
  module._compile(code, file, "commonjs");
}

for (const extension of [".ts", ".tsx"]) {
  Module._extensions[extension] = (module, file) =>
    run(module, compile(fs.readFileSync(file, "utf8"), file), file);
}

/** Never loads a second copy of this package from a node_modules directory: there must be only one registry. */
const resolveFilename = Module._resolveFilename;
Module._resolveFilename = function (request, ...rest) {
  return ownFile(request) ?? resolveFilename.call(this, request, ...rest);
};

/** The file that `request` refers to if this package exports it. */
function ownFile(request) {
  if (!request.startsWith(ownName)) return undefined;
  const exported = ownExports[`.${request.slice(ownName.length)}`];
  return exported && path.join(root, exported);
}

mapStacks();
Module.enableCompileCache?.(path.join(cacheHome, "bytecode"));

module.exports = { compile, ownFile, run, warmUp };
