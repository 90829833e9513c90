/** Type checker process, started by check.ts. Prints the diagnostics of a consfig as JSON. */
import path from "node:path";
import ts from "typescript";
import { root as engineRoot } from "../util/package";
import type { Diagnostic } from "./check";
import { checkedDirectories, isSource } from "./sources";

const [, , root = process.cwd(), ...modules] = process.argv;

/** All diagnostics, sorted by file and position. */
function diagnostics(): Diagnostic[] {
  const { fileNames, options } = configuration(root);
  const program = ts.createProgram(fileNames, options);
  const found = [
    ...program.getOptionsDiagnostics(),
    ...program
      .getSourceFiles()
      .filter(isOwn)
      .flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]),
  ];
  return found.flatMap(toDiagnostics).sort(inOrder);
}

/** The user's tsconfig.json if there is one, overridden by the settings that a consfig requires. */
function configuration(directory: string): { fileNames: string[]; options: ts.CompilerOptions } {
  const found = ts.findConfigFile(directory, ts.sys.fileExists);
  const isUsers = found !== undefined && path.dirname(found) === directory;
  const config: unknown = isUsers ? ts.readConfigFile(found, ts.sys.readFile).config : {};
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, directory);
  const sources = checkedDirectories.flatMap((name) => filesUnder(path.join(directory, name)));
  const fileNames = [...new Set([...sources, ...modules])];
  // Loading React's and browser types takes time, so only for consfigs that use JSX.
  const { jsx = ts.JsxEmit.ReactJSX, ...others } = options;
  const hasJsx = fileNames.some((file) => file.endsWith("x"));
  return { fileNames, options: { ...defaults, ...others, ...(hasJsx && { jsx }), ...required } };
}

const filesUnder = (directory: string): string[] =>
  ts.sys.directoryExists(directory)
    ? ts.sys.readDirectory(directory, [".ts", ".tsx"], ["**/node_modules"]).filter((file) => isSource(file))
    : [];

const defaults: ts.CompilerOptions = { strict: true, lib: ["lib.es2023.d.ts"] };

const required: ts.CompilerOptions = {
  noEmit: true,
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  moduleDetection: ts.ModuleDetectionKind.Force,
  isolatedModules: true,
  esModuleInterop: true,
  resolveJsonModule: true,
  skipLibCheck: true,
  typeRoots: [
    path.join(engineRoot, "node_modules/@types"),
    path.join(engineRoot, "../@types"),
    path.join(root, "node_modules/@types"),
  ],
  types: ["node"],
  paths: {
    consfigurator: [path.join(engineRoot, "lib/index.ts")],
    "consfigurator/properties": [path.join(engineRoot, "properties/index.ts")],
    "consfigurator/service": [path.join(engineRoot, "lib/service.ts")],
  },
};

function isOwn({ fileName }: ts.SourceFile): boolean {
  return fileName.startsWith(root + path.sep) && !fileName.includes("/node_modules/");
}

function toDiagnostics({ file, start, messageText }: ts.Diagnostic): Diagnostic[] {
  const message = ts.flattenDiagnosticMessageText(messageText, "\n");
  if (!file) return [{ file: "tsconfig.json", line: 1, column: 1, message, source: "" }];
  const { line, character } = file.getLineAndCharacterOfPosition(start ?? 0);
  const source = file.text.split(/\r?\n/)[line] ?? "";
  return [
    { file: path.relative(root, file.fileName), line: line + 1, column: character + 1, message, source },
  ];
}

function inOrder(one: Diagnostic, other: Diagnostic): number {
  return one.file.localeCompare(other.file) || one.line - other.line || one.column - other.column;
}

process.stdout.write(JSON.stringify(diagnostics()));
