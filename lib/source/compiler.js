"use strict";
/** Compiles TypeScript with ts-node. Loaded in the compiler's process only. */
const path = require("node:path");
const { root } = require("../util/package.js");
const { MARKER, mapStacks } = require("../util/source-maps.js");
const { collectTraits, replaceImportMeta } = require("./_traits.js");
const { collectImports, keepImportsInGraph } = require("./_transformers.js");

const services = new Map();
/** ts-node compilers, started on first use (300 ms): TypeScript is always a module, JavaScript only with import/export. */
function service(moduleDetection, options = {}) {
  const key = `${moduleDetection} ${JSON.stringify(options)}`;
  const known = services.get(key);
  if (known) return known;
  const collected = { imports: [], traits: {} };
  const traits = (context) => collectTraits(collected.traits)(context);
  const compiler = require("ts-node").create({
    cwd: root,
    skipProject: true,
    transpileOnly: true,
    ignore: [],
    transformers: {
      before: [traits, replaceImportMeta, keepImportsInGraph],
      after: [collectImports(collected)],
    },
    compilerOptions: {
      target: "es2023",
      module: "nodenext",
      moduleResolution: "nodenext",
      moduleDetection,
      rewriteRelativeImportExtensions: true,
      esModuleInterop: true,
      allowJs: true,
      jsx: "react-jsx",
      removeComments: true, // a third of what is kept, loaded and sent to hosts
      rootDir: "/",
      ...options,
    },
  });
  mapStacks(); // ts-node maps only what it compiled in this process
  const started = { compiler, collected };
  services.set(key, started);
  return started;
}

/**
 * Compiles `code` of `file`, of which only the name matters, with further compiler `options`: the `output`, or the first
 * problem in it as `refused`. The last three lines of the output are its remaining imports, its traits and its source map. It
 * is compiled under a name in this package, which is CommonJS: under its own name the user's package.json would choose the
 * module format.
 */
function translate(code, file, options = {}) {
  const extension = path.extname(file);
  const { compiler, collected } = service(extension === ".js" ? "auto" : "force", options);
  Object.assign(collected, { imports: [], traits: { files: [], unfit: [] }, refused: undefined });
  let output;
  try {
    output = compiler.compile(code, path.join(root, `compiled${extension || ".ts"}`));
  } catch (error) {
    return { refused: firstProblem(error) };
  }
  if (collected.refused) return { refused: { ...collected.refused, more: 0, diagnosticCodes: [] } };
  const at = output.lastIndexOf(MARKER.trimStart());
  const { version, names, mappings } = JSON.parse(
    Buffer.from(output.slice(at + MARKER.trimStart().length), "base64").toString(),
  );
  // A URL that is relative to what is run: equal files are compiled once, wherever they are.
  const map = { version, sources: [encodeURIComponent(path.basename(file))], names, mappings };
  const imports = `//# imports=${JSON.stringify(collected.imports)}`;
  const traits = `//# traits=${JSON.stringify(collected.traits)}`;
  const encoded = Buffer.from(JSON.stringify(map)).toString("base64");
  return { output: `${output.slice(0, at).trimEnd()}\n${imports}\n${traits}${MARKER}${encoded}` };
}

function firstProblem(error) {
  const diagnostic = error.diagnostics?.[0];
  if (!diagnostic) throw error;
  const { ts } = service("force").compiler;
  const { line, character } = diagnostic.file
    ? diagnostic.file.getLineAndCharacterOfPosition(diagnostic.start ?? 0)
    : { line: 0, character: 0 };
  return {
    line: line + 1,
    column: character + 1,
    reason: ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n"),
    more: error.diagnostics.length - 1,
    diagnosticCodes: error.diagnosticCodes,
  };
}

/** Starts the TypeScript compiler, which takes a third of a second. Called while the user is idle. */
function warmUp() {
  translate("export {};", "warm.ts");
}

module.exports = { translate, warmUp };
