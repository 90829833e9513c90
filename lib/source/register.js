"use strict";
/**
 * Makes `require("./x.ts")` work: compiles through ts-node, without type checks, and keeps the output on disk by
 * content, so that neither ts-node nor typescript is loaded when nothing changed. Plain JavaScript because it is
 * what loads everything else.
 */
const { createHash } = require("node:crypto");
const fs = require("node:fs");
const Module = require("node:module");
const os = require("node:os");
const path = require("node:path");

/** Raise this when the compiled form changes for a reason that no version number shows. */
const FORMAT = 1;
const root = path.resolve(__dirname, "../..");

/** Where everything that can be made again is kept: `$XDG_CACHE_HOME/consfigurator`. */
const cacheHome = path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache"), "consfigurator");
const compiledDirectory = path.join(cacheHome, "compiled");

const versions = ["typescript", "ts-node"].map((name) => require(`${name}/package.json`).version).join(" ");

let service;
/** ts-node's compiler, started on first need (it costs about 300 ms). */
function compiler() {
  if (service) return service;
  const mapped = Error.prepareStackTrace;
  service = require("ts-node").create({
    cwd: root,
    skipProject: true,
    transpileOnly: true,
    ignore: [],
    compilerOptions: {
      target: "es2023",
      module: "nodenext",
      moduleResolution: "nodenext",
      moduleDetection: "force",
      esModuleInterop: true,
      jsx: "react-jsx",
      rootDir: "/",
    },
  });
  Error.prepareStackTrace = mapped; // Node's own, which maps kept output too; ts-node's knows only what it compiled itself
  return service;
}

/** The name under which the compiled form of `code` is kept: a hash of all it depends on. */
function compiledName(code, file) {
  const flavour = path.extname(file);
  return createHash("sha256").update(`${FORMAT} ${versions} ${flavour}\0`).update(file).update("\0").update(code).digest("hex");
}

/** `code`, TypeScript from `file`, as JavaScript with an inline source map. Throws what the compiler says. */
function compile(code, file) {
  const kept = path.join(compiledDirectory, `${compiledName(code, file)}.js`);
  try {
    return fs.readFileSync(kept, "utf8");
  } catch {
    const output = compiler().compile(code, file);
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

for (const extension of [".ts", ".tsx"]) {
  Module._extensions[extension] = (module, file) => module._compile(compile(fs.readFileSync(file, "utf8"), file), file);
}
process.setSourceMapsEnabled(true);
Module.enableCompileCache?.(path.join(cacheHome, "bytecode"));

module.exports = { cacheHome, compile, root };
