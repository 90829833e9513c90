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
  /** Modules that wait while they are loaded, each with those to be loaded before it. */
  readonly awaiting: Readonly<Record<string, readonly string[]>>;
  /** Native addons, by specifier: paths below `home`. */
  readonly addons: Readonly<Record<string, string>>;
  /** The directory with the files that modules read, laid out as their sources are. */
  readonly home?: string;
}

/** An executable that has been parsed but not run yet. */
export interface ParsedExecutable {
  /** Loads the module and returns its exports; a promise of them, if it waits while it is loaded. */
  load(): Record<string, unknown> | Promise<Record<string, unknown>>;
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
  const { dirname, join } = require("node:path") as typeof import("node:path");
  const nodeModule = <T>(name: string) =>
    (finalName === undefined ? require(name) : process.getBuiltinModule(name)) as T;
  const builtin = () => nodeModule<typeof import("node:module")>("node:module");
  const name = finalName ?? file;
  /** The name of the code in stack traces, which differs from that of this function. */
  const codeName = `${name}#code`;
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
    script ? script.runInThisContext() : evaluate(`${section("code")}\n//# sourceURL=${codeName}`)
  ) as Record<string, (...args: readonly unknown[]) => void>;
  const modules = new Map<string, { exports: unknown; loaded: boolean }>();
  const waiting = new Map<string, Promise<unknown>>();
  if (Object.keys(tables.imported).length > 0) hookImports();
  const load = () => loadAll(tables.main, []) as Record<string, unknown> | Promise<Record<string, unknown>>;
  return {
    load,
    start: () => {
      mapStacks(); // Not part of a snapshot.
      const call = (exports: Record<string, unknown>) => {
        const { [tables.call]: called } = exports as Record<string, (...args: readonly unknown[]) => unknown>;
        return called?.(...tables.args);
      };
      const loaded = load();
      return loaded instanceof Promise ? loaded.then(call) : call(loaded);
    },
    cache: () => script?.createCachedData() ?? Buffer.alloc(0),
    cacheRejected: script?.cachedDataRejected,
  };

  function compile(): import("node:vm").Script {
    const { constants, Script } = require("node:vm") as typeof import("node:vm");
    return new Script(section("code").toString(), {
      filename: codeName,
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
    Error.prepareStackTrace = (error, frames) => {
      const users = frames.filter((frame) => !isLaunchers(frame.getScriptNameOrSourceURL()));
      return `${Error.prototype.toString.call(error)}${users.map((frame) => `\n    at ${mapped(frame)}`).join("")}`;
    };
  }

  /** Frames of this function, and of what loads it, say nothing about the user's code. */
  function isLaunchers(script: string | null): boolean {
    return (
      script === name ||
      script === file ||
      /\/lib\/executable\/_(launch|trial)\.[jt]s$|^node:internal\/(modules|main|process\/execution|v8\/startup_snapshot)/.test(
        script ?? "",
      )
    );
  }

  /** Loads a module, after those that it waits for. `importers`: the modules that wait for it. */
  function loadAll(path: string, importers: readonly string[]): unknown {
    const first = tables.awaiting[path];
    if (!first) return moduleAt(path);
    const known = waiting.get(path);
    if (known) return known;
    const loading = (async () => {
      for (const other of first)
        if (other !== path && !importers.includes(other)) await loadAll(other, [...importers, path]);
      await moduleAt(path, true);
      return modules.get(path)?.exports;
    })();
    waiting.set(path, loading);
    return loading;
  }

  /** Returns its exports; of one that waits, if `waits`, the promise of its end. */
  function moduleAt(path: string, waits = false): unknown {
    const loaded = modules.get(path);
    if (loaded) return loaded.exports;
    // `import()` of a module that waits is a `require` in a promise.
    if (tables.awaiting[path] && !waits) return loadAll(path, []);
    const filename = tables.home === undefined ? name : join(tables.home, path);
    const module = { exports: {} as unknown, id: path, filename, loaded: false };
    modules.set(path, module);
    try {
      const end: unknown = bodies[path]?.call(
        module.exports,
        ...[module, module.exports, requireIn(path), filename, dirname(filename)],
      );
      if (waits) return end;
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
        const addon = tables.addons[specifier];
        if (addon !== undefined) return require(join(tables.home ?? "", addon));
        if (finalName !== undefined && (specifier.startsWith("node:") || process.getBuiltinModule(specifier)))
          return lazy(specifier);
        if (/^(node:)?worker_threads$/.test(specifier)) return workerThreads();
        if (builtin().isBuiltin(specifier)) return require(specifier);
        throw Object.assign(new Error(`Cannot find module '${specifier}'`), { code: "MODULE_NOT_FOUND" });
      },
      { resolve: (specifier: string) => targets[specifier] ?? tables.packages[specifier] ?? specifier },
    );
  }

  /** A thread that waits for a file that is not there may make the process wait for ever. */
  function workerThreads(): unknown {
    const { existsSync } = require("node:fs") as typeof import("node:fs");
    const threads = require("node:worker_threads") as typeof import("node:worker_threads");
    class Worker extends threads.Worker {
      constructor(script: string | URL, options?: import("node:worker_threads").WorkerOptions) {
        const isFile = !options?.eval && !/^data:/.test(String(script));
        if (isFile && !existsSync(typeof script === "string" ? script.replace(/^file:\/\//, "") : script))
          throw new Error(`cannot start a worker thread from ${script}: an executable does not contain it`);
        super(script, options);
      }
    }
    return { ...threads, Worker };
  }

  /** `import()` is handled by Node: these hooks resolve the packages and provide their source. */
  function hookImports(): void {
    const { pathToFileURL } = require("node:url") as typeof import("node:url");
    const base = `${pathToFileURL(file).href}/`;
    builtin().registerHooks({
      resolve: (specifier, context, next) => {
        const path = tables.imported[specifier];
        const addon = tables.addons[specifier];
        if (addon !== undefined)
          return { url: pathToFileURL(join(tables.home ?? "", addon)).href, shortCircuit: true };
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
    if (frame.getScriptNameOrSourceURL() !== codeName || line === null || column === null)
      return String(frame);
    const found = tables.lines.findLast(([first]) => first < line);
    if (!found) return String(frame);
    const [first, path] = found;
    const map = mapOf(path);
    const entry = map?.findEntry(line - 1 - first, column - 1);
    const [source, position] =
      entry && "originalSource" in entry
        ? [entry.originalSource, `${entry.originalLine + 1}:${entry.originalColumn + 1}`]
        : [path, `${line - first}:${column}`];
    return String(frame).replace(`${codeName}:${scriptLine}:${column}`, `${source}:${position}`);
  }

  function mapOf(path: string): import("node:module").SourceMap | undefined {
    const maps = JSON.parse(encodedMaps.toString() || "{}") as Record<string, object>;
    const map = maps[path];
    return map && new (builtin().SourceMap)(map as import("node:module").SourceMapPayload);
  }
}
