/** Type-checks the TypeScript in the documentation, in a single program. */
import path from "node:path";
import ts from "typescript";
import { root } from "../../lib/util/package.js";
import type { Block } from "./pages";

/**
 * The type errors of `blocks`. A block with imports is a file, and must be complete. In any other block the names of the
 * prompt are in scope, and the exports of earlier blocks on its page.
 */
export function typeErrors(blocks: readonly Block[]): string[] {
  const files = asFiles(blocks);
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(path.join(root, "tsconfig.json"), ts.sys.readFile).config,
    ts.sys,
    root,
  );
  const host = ts.createCompilerHost(options);
  const { readFile, fileExists } = host;
  host.fileExists = (name) => files.has(name) || fileExists(name);
  host.readFile = (name) => files.get(name)?.text ?? readFile(name);
  // The directories of these files do not exist.
  delete host.directoryExists;
  const { getSourceFile } = host;
  host.getSourceFile = (name, target, ...more) => {
    const file = files.get(name);
    return file ? ts.createSourceFile(name, file.text, target) : getSourceFile(name, target, ...more);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  return [...files].flatMap(([name, { block }]) =>
    ts.getPreEmitDiagnostics(program, program.getSourceFile(name)).map((diagnostic) => {
      const message = ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n");
      const { line } = diagnostic.file?.getLineAndCharacterOfPosition(diagnostic.start ?? 0) ?? { line: 1 };
      return `${block.page}:${block.line + line - 1}: ${message}`;
    }),
  );
}

interface BlockFile {
  readonly block: Block;
  readonly text: string;
}

/** The blocks by file name for the compiler. The first line of each is generated. */
function asFiles(blocks: readonly Block[]): Map<string, BlockFile> {
  const files = new Map<string, BlockFile>();
  const exported = new Map<string, Map<string, string>>();
  for (const block of blocks) {
    const directory = path.join(root, "docs/_blocks", block.page.replaceAll(/\W/g, "_"));
    const plain = path.join(directory, block.file ?? `${block.line}.ts`);
    const name = files.has(plain) ? plain.replace(/\.ts$/, `_${block.line}.ts`) : plain;
    const source = ts.createSourceFile(name, block.text, ts.ScriptTarget.Latest);
    const before = exported.get(block.page) ?? new Map<string, string>();
    exported.set(block.page, before);
    const own = exportedNames(source);
    const isFile = source.statements.some(ts.isImportDeclaration);
    const first = isFile ? "export {};" : scopeLine(own, before, path.dirname(name));
    files.set(name, { block, text: `${first}\n${block.text}` });
    for (const each of own) before.set(each, name.replace(/\.ts$/, ""));
  }
  return files;
}

/** Imports of the names in scope at the prompt, except those that the block declares itself. */
function scopeLine(own: ReadonlySet<string>, before: ReadonlyMap<string, string>, directory: string): string {
  const library = Object.keys(require("../../lib/index") as object);
  const nouns = Object.keys(require("../../properties") as object);
  const free = (names: readonly string[]) => names.filter((name) => !own.has(name) && !before.has(name));
  const earlier = [...before]
    .filter(([name]) => !own.has(name))
    .map(([name, file]) => `import { ${name} } from "./${path.relative(directory, file)}";`);
  return [
    `import { ${free(library).join(", ")} } from "consfigurator";`,
    `import { ${free(nouns).join(", ")} } from "consfigurator/properties";`,
    ...Object.entries(HOSTS).flatMap(([name, file]) =>
      free([name]).map(() => `import { ${name} } from "${path.join(root, file)}";`),
    ),
    ...free(["fs"]).map(() => `import fs from "node:fs";`),
    ...earlier,
    "export {};",
  ].join(" ");
}

/** The hosts of the example consfig. */
const HOSTS = { sandbox: "hosts/sandbox", web1: "hosts/web" };

/** The names that a block exports. */
function exportedNames(source: ts.SourceFile): Set<string> {
  const names = new Set<string>();
  for (const statement of source.statements) {
    if (!ts.canHaveModifiers(statement)) continue;
    const isExported = ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
    if (!isExported) continue;
    if (ts.isVariableStatement(statement))
      for (const { name } of statement.declarationList.declarations)
        if (ts.isIdentifier(name)) names.add(name.text);
    if ((ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement)) && statement.name)
      names.add(statement.name.text);
  }
  return names;
}
