"use strict";
/** Compiles TypeScript with ts-node. Separate from register.js because most starts need no compiler. */
const path = require("node:path");
const { root } = require("../util/package.js");
const { collectImports, keepImportsInGraph } = require("./_transformers.js");

const MAP = "//# sourceMappingURL=data:application/json;charset=utf-8;base64,";

/** A syntax error reported by the compiler: the first diagnostic, and the number of further ones. */
class CompileError extends SyntaxError {
  constructor(file, { line, column, reason, more, codes }) {
    super(`${file}:${line}:${column}: ${reason}${more > 0 ? ` (and ${more} more)` : ""}`);
    this.name = "CompileError";
    Object.assign(this, { file, line, column, reason, more, diagnosticCodes: codes });
  }
}

const services = new Map();
/** ts-node compilers, started on first use (300 ms): TypeScript is always a module, JavaScript only with import/export. */
function service(moduleDetection) {
  const known = services.get(moduleDetection);
  if (known) return known;
  const collected = { imports: [] };
  const mapped = Error.prepareStackTrace;
  const compiler = require("ts-node").create({
    cwd: root,
    skipProject: true,
    transpileOnly: true,
    ignore: [],
    transformers: { before: [keepImportsInGraph], after: [collectImports(collected)] },
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
    },
  });
  Error.prepareStackTrace = mapped; // Node also maps cached output; ts-node only what it compiled in this process
  const started = { compiler, collected };
  services.set(moduleDetection, started);
  return started;
}

/**
 * Compiles `code`. The last two lines of the output are its remaining imports and its source map. It is compiled under a
 * name in this package, which is CommonJS: under its own name the user's package.json would choose the module format.
 */
function translate(code, file) {
  const extension = path.extname(file);
  const { compiler, collected } = service(extension === ".js" ? "auto" : "force");
  Object.assign(collected, { imports: [], refused: undefined });
  let output;
  try {
    output = compiler.compile(code, path.join(root, `compiled${extension || ".ts"}`));
  } catch (error) {
    throw compileError(error, file);
  }
  if (collected.refused) throw new CompileError(file, { ...collected.refused, more: 0, codes: [] });
  const at = output.lastIndexOf(MAP);
  const { version, names, mappings } = JSON.parse(
    Buffer.from(output.slice(at + MAP.length), "base64").toString(),
  );
  const map = { version, file, sources: [file], names, mappings };
  const imports = `//# imports=${JSON.stringify(collected.imports)}`;
  return `${output.slice(0, at).trimEnd()}\n${imports}\n${MAP}${Buffer.from(JSON.stringify(map)).toString("base64")}`;
}

function compileError(error, file) {
  const diagnostic = error.diagnostics?.[0];
  if (!diagnostic) return error;
  const { ts } = service("force").compiler;
  const { line, character } = diagnostic.file
    ? diagnostic.file.getLineAndCharacterOfPosition(diagnostic.start ?? 0)
    : { line: 0, character: 0 };
  return new CompileError(file, {
    line: line + 1,
    column: character + 1,
    reason: ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n"),
    more: error.diagnostics.length - 1,
    codes: error.diagnosticCodes,
  });
}

/** Starts the TypeScript compiler, which takes a third of a second. Called while the user is idle. */
function warmUp() {
  translate("export {};", "warm.ts");
}

module.exports = { CompileError, translate, warmUp };
