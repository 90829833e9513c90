import path from "node:path";
import type ts from "typescript";
import { root } from "../lib/util/package.js";

/** One export of a module. */
export interface Item {
  readonly name: string;
  readonly kind: "function" | "type" | "value" | "namespace";
  /** A function: its parameters, such as `(path: string)`. A type: its declaration. */
  readonly signatures: readonly string[];
  /** Its doc comment, without tags. */
  readonly text: string;
  /** Types of this package in the parameters of a function, and the files that declare them. */
  readonly named: ReadonlyMap<string, string>;
  readonly examples: readonly string[];
  /** The file that defines it, relative to the package. */
  readonly file: string;
}

/** The modules of this package, read with the TypeScript compiler. */
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

  /** The exports of the module `file`, or of a namespace that it exports, sorted by name; types come last. */
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
      .sort((a, b) => Number(a.kind === "type") - Number(b.kind === "type") || (a.name < b.name ? -1 : 1));
  }

  /** The declarations of types used in the signatures of `items` that a consfig cannot import. */
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
    if (!declaration) throw new Error(`${name} has no declaration`);
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

  #signature(symbol: ts.Symbol, declaration: ts.Declaration): Pick<Item, "kind" | "signatures"> {
    const { SymbolFlags } = this.#ts;
    if (symbol.flags & SymbolFlags.ValueModule) return { kind: "namespace", signatures: [] };
    if (symbol.flags & (SymbolFlags.Interface | SymbolFlags.TypeAlias | SymbolFlags.Class)) {
      const { fileName } = declaration.getSourceFile();
      return { kind: "type", signatures: [this.#declarationOf(symbol.name, fileName) ?? symbol.name] };
    }
    const called = this.#checker.getTypeOfSymbolAtLocation(symbol, declaration).getCallSignatures();
    const shown = called.flatMap((signature) => this.#parameters(signature));
    return called.length > 0 ? { kind: "function", signatures: shown } : { kind: "value", signatures: [] };
  }

  /** The parameters of a property, hop or function, one entry per overload, with the return type of functions. */
  #parameters(signature: ts.Signature): string[] {
    const { NoTruncation, UseAliasDefinedOutsideCurrentScope } = this.#ts.TypeFormatFlags;
    const flags = NoTruncation | UseAliasDefinedOutsideCurrentScope;
    const [first, ...more] = signature.parameters;
    const type = first && this.#checker.getTypeOfSymbol(first);
    const overloads =
      type?.isUnion() && more.length === 0 && type.types.every((each) => this.#checker.isTupleType(each))
        ? type.types.map((each) => `(${this.#checker.typeToString(each, undefined, flags).slice(1, -1)})`)
        : [this.#checker.signatureToString(signature, undefined, flags)];
    return overloads.map(readable);
  }

  #typesNamed(symbol: ts.Symbol, declaration: ts.Declaration): Map<string, string> {
    const named = new Map<string, string>();
    const seen = new Set<ts.Type>();
    const visit = (type: ts.Type): void => {
      if (seen.has(type)) return;
      seen.add(type);
      const { aliasSymbol, symbol: own } = type;
      const namedSymbol =
        aliasSymbol ?? (own && own.flags & this.#ts.SymbolFlags.Interface ? own : undefined);
      const file = namedSymbol?.declarations?.[0]?.getSourceFile().fileName;
      if (namedSymbol && file && !file.includes("/node_modules/")) named.set(namedSymbol.name, file);
      if (type.isUnionOrIntersection()) type.types.forEach(visit);
      if (!namedSymbol || namedSymbol.declarations?.[0]?.getSourceFile().fileName.includes("/node_modules/"))
        this.#checker.getTypeArguments(type as ts.TypeReference).forEach(visit);
    };
    const types =
      this.#ts.SymbolFlags.Interface | this.#ts.SymbolFlags.TypeAlias | this.#ts.SymbolFlags.Class;
    if (symbol.flags & types) return named;
    for (const signature of this.#checker.getTypeOfSymbolAtLocation(symbol, declaration).getCallSignatures())
      for (const parameter of signature.parameters) visit(this.#checker.getTypeOfSymbol(parameter));
    return named;
  }

  /** The declaration of the type `name` in `file`, without bodies and private members. */
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

  /** The declaration file that the compiler emits for `file`. */
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

/** Removes noise: the return type of properties and hops, and names that the compiler made up. */
const readable = (signature: string): string =>
  signature
    .replace(/^(\(.*\)): (PropApp|Hop)$/, "$1")
    .replaceAll(" | undefined", "")
    .replace(/^\(args\?: \{\}\)$/, "()")
    .replaceAll(/\b(params|args)_\d+/g, "options")
    .replaceAll("; }", " }");
