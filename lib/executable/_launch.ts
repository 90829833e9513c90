/** What an executable is made of besides the code in it, as it stands in the file. */
export interface Tables {
  /** The module whose export is called, by its place; the export; and what it is called with. */
  readonly main: string;
  readonly call: string;
  readonly args: readonly unknown[];
  /** What a specifier means in each file. */
  readonly files: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** The npm packages by specifier: those that are required, and those that are imported by `import()`. */
  readonly packages: Readonly<Record<string, string>>;
  readonly imported: Readonly<Record<string, string>>;
  /** The text of ES modules, by place. */
  readonly texts: Readonly<Record<string, string>>;
  /** The line on which each file begins in the code, from 0, ascending. */
  readonly lines: readonly (readonly [line: number, place: string])[];
}

/** An executable that has been read, and of which nothing has run yet. */
export interface Launched {
  /** Loads the module, and gives what it exports. */
  load(): Record<string, unknown>;
  /** Loads it and makes the call. */
  start(): unknown;
  /** The code as compiled so far, for V8. */
  cache(): Buffer;
  /** Undefined: there was none to use. */
  readonly cacheRejected: boolean | undefined;
}

/**
 * Starts the executable `file`. It stands in the executable as text, and so refers to nothing outside of itself: the
 * code, what means what in it, its maps, and what V8 has compiled of it are in comments at the end of the file.
 * `shown` is the name of the executable, while a start-up snapshot of it is made of a draft: Node's own modules are then
 * had when they are first used, since few of them can be in a snapshot.
 */
export function launch(file: string, require: NodeJS.Require, shown?: string): Launched {
  const { readFileSync } = require("node:fs") as typeof import("node:fs");
  const { dirname } = require("node:path") as typeof import("node:path");
  const nodes = <T>(name: string) =>
    (shown === undefined ? require(name) : process.getBuiltinModule(name)) as T;
  const builtin = () => nodes<typeof import("node:module")>("node:module");
  const name = shown ?? file;
  const text = readFileSync(file, "latin1");
  const part = (name: string): Buffer => {
    const mark = `\n//${name} `;
    const at = text.lastIndexOf(mark);
    return at < 0
      ? Buffer.alloc(0)
      : Buffer.from(text.slice(at + mark.length, text.indexOf("\n", at + 1)), "base64");
  };
  const tables = JSON.parse(part("tables").toString()) as Tables;
  const packedMaps = part("maps");
  const cachedData = part("cache");
  mapStacks();
  const script = shown === undefined ? compiled() : undefined;
  const bodies = (
    script ? script.runInThisContext() : evaluate(`${part("code")}\n//# sourceURL=${name}`)
  ) as Record<string, (...given: readonly unknown[]) => void>;
  const modules = new Map<string, { exports: unknown }>();
  if (Object.keys(tables.imported).length > 0) answerImports();
  const load = () => moduleAt(tables.main) as Record<string, unknown>;
  return {
    load,
    start: () => {
      mapStacks(); // A snapshot has forgotten it.
      const { [tables.call]: call } = load() as Record<string, (...args: readonly unknown[]) => unknown>;
      return call?.(...tables.args);
    },
    cache: () => script?.createCachedData() ?? Buffer.alloc(0),
    cacheRejected: script?.cachedDataRejected,
  };

  function compiled(): import("node:vm").Script {
    const { constants, Script } = require("node:vm") as typeof import("node:vm");
    return new Script(part("code").toString(), {
      filename: file,
      ...(cachedData.length > 0 && { cachedData }),
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    });
  }

  /** As a script, in no scope of ours: what `Function` makes begins two lines further down. */
  function evaluate(code: string): unknown {
    return new Function(`return ${code}`)();
  }

  /** One of Node's own modules, had when it is first used. */
  function later(specifier: string): unknown {
    const own = () => nodes<Record<string | symbol, unknown>>(specifier);
    return new Proxy(() => {}, {
      get: (_none, key) => (key === "__esModule" ? undefined : own()[key]),
      has: (_none, key) => key in own(),
      ownKeys: () => Reflect.ownKeys(own()),
      getOwnPropertyDescriptor: (_none, key) => {
        const found = Object.getOwnPropertyDescriptor(own(), key);
        return found && { ...found, configurable: true };
      },
      apply: (_none, self, given) => Reflect.apply(own() as unknown as Function, self, given),
    });
  }

  function mapStacks(): void {
    Error.prepareStackTrace = (error, frames) =>
      `${Error.prototype.toString.call(error)}${frames.map((frame) => `\n    at ${inSource(frame)}`).join("")}`;
  }

  function moduleAt(place: string): unknown {
    const known = modules.get(place);
    if (known) return known.exports;
    const made = { exports: {} as unknown, id: place, filename: name, loaded: false };
    modules.set(place, made);
    try {
      bodies[place]?.call(made.exports, made, made.exports, requireIn(place), name, dirname(name));
    } catch (error) {
      modules.delete(place);
      throw error;
    }
    made.loaded = true;
    return made.exports;
  }

  function requireIn(place: string): (specifier: string) => unknown {
    const own = tables.files[place] ?? {};
    return Object.assign(
      (specifier: string) => {
        const meant = own[specifier] ?? tables.packages[specifier];
        if (meant !== undefined) return moduleAt(meant);
        if (shown !== undefined && (specifier.startsWith("node:") || process.getBuiltinModule(specifier)))
          return later(specifier);
        if (builtin().isBuiltin(specifier)) return require(specifier);
        throw Object.assign(new Error(`Cannot find module '${specifier}'`), { code: "MODULE_NOT_FOUND" });
      },
      { resolve: (specifier: string) => own[specifier] ?? tables.packages[specifier] ?? specifier },
    );
  }

  /** `import()` is Node's own affair: it is told where packages are, and what is in them. */
  function answerImports(): void {
    const { pathToFileURL } = require("node:url") as typeof import("node:url");
    const base = `${pathToFileURL(file).href}/`;
    builtin().registerHooks({
      resolve: (specifier, context, next) => {
        const place = tables.imported[specifier];
        return place === undefined
          ? next(specifier, context)
          : { url: base + place, format: "module", shortCircuit: true };
      },
      load: (url, context, next) => {
        const source = url.startsWith(base) ? tables.texts[url.slice(base.length)] : undefined;
        return source === undefined ? next(url, context) : { format: "module", source, shortCircuit: true };
      },
    });
  }

  /** A frame with the place in the source as it was written. */
  function inSource(frame: NodeJS.CallSite): string {
    const [written, column] = [frame.getLineNumber(), frame.getColumnNumber()];
    const line = written === null || shown === undefined ? written : written - 2;
    if (frame.getScriptNameOrSourceURL() !== name || line === null || column === null) return String(frame);
    const begun = tables.lines.findLast(([first]) => first < line);
    if (!begun) return String(frame);
    const [first, place] = begun;
    const map = mapOf(place);
    const entry = map?.findEntry(line - 1 - first, column - 1);
    const [source, there] =
      entry && "originalSource" in entry
        ? [entry.originalSource, `${entry.originalLine + 1}:${entry.originalColumn + 1}`]
        : [place, `${line - first}:${column}`];
    return String(frame).replace(`${name}:${written}:${column}`, `${source}:${there}`);
  }

  function mapOf(place: string): import("node:module").SourceMap | undefined {
    const maps = JSON.parse(packedMaps.toString() || "{}") as Record<string, object>;
    const map = maps[place];
    return map && new (builtin().SourceMap)(map as import("node:module").SourceMapPayload);
  }
}
