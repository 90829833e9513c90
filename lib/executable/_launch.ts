/** The metadata stored in an executable next to its code. */
export interface Tables {
  /** The path of the called module, the name of its export, and the arguments. */
  readonly main: string;
  readonly call: string;
  readonly args: readonly unknown[];
  /** The import targets in each file, by specifier. */
  readonly files: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** npm packages by specifier: those loaded with `require()`, and those loaded with `import()`. */
  readonly packages: Readonly<Record<string, string>>;
  readonly imported: Readonly<Record<string, string>>;
  /** The source text of ES modules, by path. */
  readonly texts: Readonly<Record<string, string>>;
  /** The first line of each file in the code, counted from 0, ascending. */
  readonly lines: readonly (readonly [line: number, path: string])[];
}

/** An executable that has been parsed but not run yet. */
export interface ParsedExecutable {
  /** Loads the module and returns its exports. */
  load(): Record<string, unknown>;
  /** Loads the module and calls the function. */
  start(): unknown;
  /** The V8 code cache of the functions compiled so far. */
  cache(): Buffer;
  /** Undefined when there was no cache. */
  readonly cacheRejected: boolean | undefined;
}

/**
 * Parses the executable `file`. The text of this function is part of every executable, so it must not refer to anything
 * outside itself. The code, its import tables, source maps and V8 code cache are in comments at the end of the file.
 * `finalName` is given while a start-up snapshot is built from a draft: the later path of the executable. Node's built-in
 * modules are then loaded on first use, since few of them can be in a snapshot.
 */
export function launch(file: string, require: NodeJS.Require, finalName?: string): ParsedExecutable {
  const { readFileSync } = require("node:fs") as typeof import("node:fs");
  const { dirname } = require("node:path") as typeof import("node:path");
  const nodeModule = <T>(name: string) =>
    (finalName === undefined ? require(name) : process.getBuiltinModule(name)) as T;
  const builtin = () => nodeModule<typeof import("node:module")>("node:module");
  const name = finalName ?? file;
  const text = readFileSync(file, "latin1");
  const section = (name: string): Buffer => {
    const prefix = `\n//${name} `;
    const at = text.lastIndexOf(prefix);
    return at < 0
      ? Buffer.alloc(0)
      : Buffer.from(text.slice(at + prefix.length, text.indexOf("\n", at + 1)), "base64");
  };
  const tables = JSON.parse(section("tables").toString()) as Tables;
  const encodedMaps = section("maps");
  const cachedData = section("cache");
  mapStacks();
  const script = finalName === undefined ? compile() : undefined;
  const bodies = (
    script ? script.runInThisContext() : evaluate(`${section("code")}\n//# sourceURL=${name}`)
  ) as Record<string, (...args: readonly unknown[]) => void>;
  const modules = new Map<string, { exports: unknown }>();
  if (Object.keys(tables.imported).length > 0) hookImports();
  const load = () => moduleAt(tables.main) as Record<string, unknown>;
  return {
    load,
    start: () => {
      mapStacks(); // Not part of a snapshot.
      const { [tables.call]: call } = load() as Record<string, (...args: readonly unknown[]) => unknown>;
      return call?.(...tables.args);
    },
    cache: () => script?.createCachedData() ?? Buffer.alloc(0),
    cacheRejected: script?.cachedDataRejected,
  };

  function compile(): import("node:vm").Script {
    const { constants, Script } = require("node:vm") as typeof import("node:vm");
    return new Script(section("code").toString(), {
      filename: file,
      ...(cachedData.length > 0 && { cachedData }),
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    });
  }

  /** In the global scope. `Function` adds two lines before the code. */
  function evaluate(code: string): unknown {
    return new Function(`return ${code}`)();
  }

  /** A built-in module of Node, loaded on first use. */
  function lazy(specifier: string): unknown {
    const target = () => nodeModule<Record<string | symbol, unknown>>(specifier);
    return new Proxy(() => {}, {
      get: (_proxied, key) => (key === "__esModule" ? undefined : target()[key]),
      has: (_proxied, key) => key in target(),
      ownKeys: () => Reflect.ownKeys(target()),
      getOwnPropertyDescriptor: (_proxied, key) => {
        const found = Object.getOwnPropertyDescriptor(target(), key);
        return found && { ...found, configurable: true };
      },
      apply: (_proxied, self, args) => Reflect.apply(target() as unknown as Function, self, args),
    });
  }

  function mapStacks(): void {
    Error.prepareStackTrace = (error, frames) =>
      `${Error.prototype.toString.call(error)}${frames.map((frame) => `\n    at ${mapped(frame)}`).join("")}`;
  }

  function moduleAt(path: string): unknown {
    const loaded = modules.get(path);
    if (loaded) return loaded.exports;
    const module = { exports: {} as unknown, id: path, filename: name, loaded: false };
    modules.set(path, module);
    try {
      bodies[path]?.call(module.exports, module, module.exports, requireIn(path), name, dirname(name));
    } catch (error) {
      modules.delete(path);
      throw error;
    }
    module.loaded = true;
    return module.exports;
  }

  function requireIn(path: string): (specifier: string) => unknown {
    const targets = tables.files[path] ?? {};
    return Object.assign(
      (specifier: string) => {
        const target = targets[specifier] ?? tables.packages[specifier];
        if (target !== undefined) return moduleAt(target);
        if (finalName !== undefined && (specifier.startsWith("node:") || process.getBuiltinModule(specifier)))
          return lazy(specifier);
        if (builtin().isBuiltin(specifier)) return require(specifier);
        throw Object.assign(new Error(`Cannot find module '${specifier}'`), { code: "MODULE_NOT_FOUND" });
      },
      { resolve: (specifier: string) => targets[specifier] ?? tables.packages[specifier] ?? specifier },
    );
  }

  /** `import()` is handled by Node: these hooks resolve the packages and provide their source. */
  function hookImports(): void {
    const { pathToFileURL } = require("node:url") as typeof import("node:url");
    const base = `${pathToFileURL(file).href}/`;
    builtin().registerHooks({
      resolve: (specifier, context, next) => {
        const path = tables.imported[specifier];
        return path === undefined
          ? next(specifier, context)
          : { url: base + path, format: "module", shortCircuit: true };
      },
      load: (url, context, next) => {
        const source = url.startsWith(base) ? tables.texts[url.slice(base.length)] : undefined;
        return source === undefined ? next(url, context) : { format: "module", source, shortCircuit: true };
      },
    });
  }

  /** A stack frame with its position in the original source. */
  function mapped(frame: NodeJS.CallSite): string {
    const [scriptLine, column] = [frame.getLineNumber(), frame.getColumnNumber()];
    const line = scriptLine === null || finalName === undefined ? scriptLine : scriptLine - 2;
    if (frame.getScriptNameOrSourceURL() !== name || line === null || column === null) return String(frame);
    const found = tables.lines.findLast(([first]) => first < line);
    if (!found) return String(frame);
    const [first, path] = found;
    const map = mapOf(path);
    const entry = map?.findEntry(line - 1 - first, column - 1);
    const [source, position] =
      entry && "originalSource" in entry
        ? [entry.originalSource, `${entry.originalLine + 1}:${entry.originalColumn + 1}`]
        : [path, `${line - first}:${column}`];
    return String(frame).replace(`${name}:${scriptLine}:${column}`, `${source}:${position}`);
  }

  function mapOf(path: string): import("node:module").SourceMap | undefined {
    const maps = JSON.parse(encodedMaps.toString() || "{}") as Record<string, object>;
    const map = maps[path];
    return map && new (builtin().SourceMap)(map as import("node:module").SourceMapPayload);
  }
}
