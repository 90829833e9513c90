import path from "node:path";
import type ts from "typescript";
import { root } from "../lib/util/package.js";

/** One thing that a module exports. */
export interface Item {
  readonly name: string;
  readonly sort: "function" | "type" | "value" | "namespace";
  /** Of a function what may stand behind its name, `(path: string)`; of a type its declaration. */
  readonly signatures: readonly string[];
  /** Its doc comment, without tags. */
  readonly text: string;
  /** The types of this package in what a function is called with, and the files that declare them. */
  readonly named: ReadonlyMap<string, string>;
  readonly examples: readonly string[];
  /** Where it is defined, relative to the package. */
  readonly file: string;
}

/** The modules of this package as the compiler sees them. */
export class Api {
  readonly #ts = require("typescript") as typeof ts;
  readonly #program: ts.Program;
  readonly #checker: ts.TypeChecker;
  readonly #declarations = new Map<string, ts.SourceFile>();

  constructor(files: readonly string[]) {
    const { config } = this.#ts.readConfigFile(path.join(root, "tsconfig.json"), this.#ts.sys.readFile);
    const { options } = this.#ts.parseJsonConfigFileContent(config, this.#ts.sys, root);
    this.#program = this.#ts.createProgram(
      files.map((file) => path.join(root, file)),
      { ...options, noEmit: false, declaration: true, emitDeclarationOnly: true },
    );
    this.#checker = this.#program.getTypeChecker();
  }

  /** What the module `file` exports, or a namespace that it exports, by name; types come last. */
  members(file: string, namespace?: string): Item[] {
    const source = this.#program.getSourceFile(path.join(root, file));
    let module = source && this.#checker.getSymbolAtLocation(source);
    if (module && namespace !== undefined) {
      const inner = this.#checker.getExportsOfModule(module).find(({ name }) => name === namespace);
      module = inner && this.#resolved(inner);
    }
    if (!module) throw new Error(`${file} exports no ${namespace ?? "names"}`);
    return this.#checker
      .getExportsOfModule(module)
      .map((symbol) => this.#item(symbol.name, this.#resolved(symbol)))
      .sort((a, b) => Number(a.sort === "type") - Number(b.sort === "type") || (a.name < b.name ? -1 : 1));
  }

  /** The declarations of types that stand by name in the signatures of `items`, and that no consfig can import. */
  typesNamedIn(items: readonly Item[]): string[] {
    const known = new Set([...items, ...this.members("lib/index.ts")].map(({ name }) => name));
    const found = new Map<string, string>();
    for (const { named } of items) {
      for (const [name, file] of named) {
        if (known.has(name) || found.has(name)) continue;
        const declaration = this.#declarationOf(name, file);
        if (declaration) found.set(name, declaration);
      }
    }
    return [...found.keys()].sort().map((name) => found.get(name) ?? "");
  }

  #resolved(symbol: ts.Symbol): ts.Symbol {
    return symbol.flags & this.#ts.SymbolFlags.Alias ? this.#checker.getAliasedSymbol(symbol) : symbol;
  }

  #item(name: string, symbol: ts.Symbol): Item {
    const declaration = symbol.declarations?.[0];
    if (!declaration) throw new Error(`${name} is declared nowhere`);
    const file = declaration.getSourceFile().fileName;
    return {
      name,
      ...this.#signature(symbol, declaration),
      named: this.#typesNamed(symbol, declaration),
      text: this.#ts.displayPartsToString(symbol.getDocumentationComment(this.#checker)).trim(),
      examples: symbol
        .getJsDocTags(this.#checker)
        .filter((tag) => tag.name === "example")
        .map((tag) => this.#ts.displayPartsToString(tag.text).trim()),
      file: path.relative(root, file),
    };
  }

  #signature(symbol: ts.Symbol, declaration: ts.Declaration): Pick<Item, "sort" | "signatures"> {
    const { SymbolFlags } = this.#ts;
    if (symbol.flags & SymbolFlags.ValueModule) return { sort: "namespace", signatures: [] };
    if (symbol.flags & (SymbolFlags.Interface | SymbolFlags.TypeAlias | SymbolFlags.Class)) {
      const { fileName } = declaration.getSourceFile();
      return { sort: "type", signatures: [this.#declarationOf(symbol.name, fileName) ?? symbol.name] };
    }
    const called = this.#checker.getTypeOfSymbolAtLocation(symbol, declaration).getCallSignatures();
    const shown = called.flatMap((signature) => this.#parameters(signature));
    return called.length > 0 ? { sort: "function", signatures: shown } : { sort: "value", signatures: [] };
  }

  /** What a property, hop or function is called with, each way by itself; what a function gives, too. */
  #parameters(signature: ts.Signature): string[] {
    const { NoTruncation, UseAliasDefinedOutsideCurrentScope } = this.#ts.TypeFormatFlags;
    const flags = NoTruncation | UseAliasDefinedOutsideCurrentScope;
    const [first, ...more] = signature.parameters;
    const type = first && this.#checker.getTypeOfSymbol(first);
    const ways =
      type?.isUnion() && more.length === 0 && type.types.every((each) => this.#checker.isTupleType(each))
        ? type.types.map((each) => `(${this.#checker.typeToString(each, undefined, flags).slice(1, -1)})`)
        : [this.#checker.signatureToString(signature, undefined, flags)];
    return ways.map(readable);
  }

  #typesNamed(symbol: ts.Symbol, declaration: ts.Declaration): Map<string, string> {
    const named = new Map<string, string>();
    const seen = new Set<ts.Type>();
    const look = (type: ts.Type): void => {
      if (seen.has(type)) return;
      seen.add(type);
      const { aliasSymbol, symbol: own } = type;
      const by = aliasSymbol ?? (own && own.flags & this.#ts.SymbolFlags.Interface ? own : undefined);
      const file = by?.declarations?.[0]?.getSourceFile().fileName;
      if (by && file && !file.includes("/node_modules/")) named.set(by.name, file);
      if (type.isUnionOrIntersection()) type.types.forEach(look);
      if (!by || by.declarations?.[0]?.getSourceFile().fileName.includes("/node_modules/"))
        this.#checker.getTypeArguments(type as ts.TypeReference).forEach(look);
    };
    const types =
      this.#ts.SymbolFlags.Interface | this.#ts.SymbolFlags.TypeAlias | this.#ts.SymbolFlags.Class;
    if (symbol.flags & types) return named;
    for (const signature of this.#checker.getTypeOfSymbolAtLocation(symbol, declaration).getCallSignatures())
      for (const parameter of signature.parameters) look(this.#checker.getTypeOfSymbol(parameter));
    return named;
  }

  /** The type `name` as `file` declares it, its bodies and private parts left out. */
  #declarationOf(name: string, file: string): string | undefined {
    const source = this.#declarationsOf(file);
    const statement = source?.statements.find(
      (each) =>
        (this.#ts.isInterfaceDeclaration(each) ||
          this.#ts.isTypeAliasDeclaration(each) ||
          this.#ts.isClassDeclaration(each)) &&
        each.name?.text === name,
    );
    return statement
      ?.getText(source)
      .replace(/^(export )?(declare )?/, "")
      .replaceAll(/^ *(#private|private .*);\n/gm, "");
  }

  /** The declarations of `file`, as the compiler writes them. */
  #declarationsOf(file: string): ts.SourceFile | undefined {
    if (!this.#declarations.has(file)) {
      this.#program.emit(this.#program.getSourceFile(file), (_, text) => {
        const { createSourceFile, ScriptTarget } = this.#ts;
        this.#declarations.set(file, createSourceFile("declarations.d.ts", text, ScriptTarget.Latest));
      });
    }
    return this.#declarations.get(file);
  }
}

/** Without what says nothing: that a property gives an application, and how the compiler calls what has no name. */
const readable = (signature: string): string =>
  signature
    .replace(/^(\(.*\)): (PropApp|Hop)$/, "$1")
    .replaceAll(" | undefined", "")
    .replace(/^\(args\?: \{\}\)$/, "()")
    .replaceAll(/\b(params|args)_\d+/g, "options")
    .replaceAll("; }", " }");
