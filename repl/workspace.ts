import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { ConsfigError } from "../lib/model/errors";
import type { Consfig, Refresh } from "../lib/source/consfig";
import { isRelative, missingPackage } from "../lib/source/resolve";
import { BuiltinValues } from "./_builtin-values";
import { compileInput, type Statement } from "./_language";
import { Scope } from "./scope";

/** The result of refreshing the consfig, with the prompt's names that newer definitions replaced. */
export interface Reload extends Refresh {
  readonly replaced: readonly string[];
}

/** A consfig and the scope in which the prompt and playbooks run. */
export class Workspace {
  readonly scope: Scope;
  readonly builtins = new BuiltinValues();
  #consfig: Readonly<Record<string, unknown>> = {};
  #latest: Refresh = { loaded: [], removed: [], notices: [] };
  readonly #unreported: Reload[] = [];
  #library: Record<string, unknown> | undefined;

  constructor(
    readonly consfig: Pick<Consfig, "root" | "scope" | "refresh" | "isSource"> & {
      mapPositions?(text: string): string;
      import?(specifier: string, file: string): unknown;
    } & Partial<Pick<Consfig, "exportOf" | "moduleOf">>,
  ) {
    this.scope = new Scope({
      consfig: () => this.#consfig,
      library: () => (this.#library ??= require("../lib/index") as Record<string, unknown>),
      require: (specifier) => this.require(specifier),
    });
  }

  /**
   * Loads changed files of the consfig, and returns everything loaded since the last call. If a file gives a new value
   * to a name that was declared at the prompt, the declaration is removed: the latest definition wins.
   */
  refresh(): Reload {
    this.refreshAhead();
    const { error } = this.#latest;
    const reloads = this.#unreported.splice(0);
    const all = <K extends "loaded" | "removed" | "notices" | "replaced">(key: K): string[] => [
      ...new Set(reloads.flatMap((reload) => reload[key])),
    ];
    return {
      loaded: all("loaded"),
      removed: all("removed"),
      notices: all("notices"),
      replaced: all("replaced"),
      ...(error && { error }),
    };
  }

  /** Like `refresh`, ahead of time; the next `refresh` returns its result. */
  refreshAhead(): void {
    const refreshed = this.consfig.refresh();
    const before = this.#consfig;
    this.#consfig = this.consfig.scope();
    const replaced = this.scope
      .declared()
      .filter((name) => Object.hasOwn(before, name) && before[name] !== this.#consfig[name])
      .filter((name) => this.scope.forget(name));
    this.#latest = refreshed;
    this.#unreported.push({ ...refreshed, replaced });
  }

  /** Whether `value` is an export of "consfigurator". */
  isLibrary(value: unknown): boolean {
    return Object.values(this.#library ?? {}).includes(value);
  }

  /** The consfig's hosts, nouns and other exports by name. */
  names(): Readonly<Record<string, unknown>> {
    return this.#consfig;
  }

  /** `file` relative to the consfig, if it is inside. */
  shortPath(file: string): string {
    const relative = path.relative(this.consfig.root, file);
    return relative.startsWith("..") ? file : relative;
  }

  /** Maps compiled positions in `text` to lines of the user's sources. */
  mapPositions(text: string): string {
    return this.consfig.mapPositions?.(text) ?? text;
  }

  /** Compiles `text` to statements, with imports relative to `directory` (default: the consfig). */
  compile(text: string, file: string, { directory = this.consfig.root, cache = false } = {}): Statement[] {
    const load = (specifier: string, names: readonly string[]) => this.#load(specifier, names, directory);
    return compileInput(text, file, { scope: this.scope.proxy, load }, { cache });
  }

  /** Loads the module `specifier`, resolved from `directory`. */
  require(specifier: string, directory = this.consfig.root): unknown {
    this.builtins.note(specifier);
    if (specifier === "consfigurator") return require("../lib/index");
    if (specifier === "consfigurator/properties") return require("../properties/index");
    if (isRelative(specifier) && this.consfig.import)
      return this.consfig.import(specifier, path.join(directory, "prompt"));
    try {
      return createRequire(path.join(directory, "prompt.ts"))(specifier);
    } catch (error) {
      const missing = missingPackage(error, specifier);
      throw missing === undefined ? error : new ConsfigError(missing);
    }
  }

  async #load(specifier: string, names: readonly string[], directory: string): Promise<unknown> {
    const loaded = asNamespace(await this.#loaded(specifier, directory));
    const missing = names.find((name) => !(name in loaded));
    if (missing === undefined) return loaded;
    const available = Object.keys(loaded).filter((name) => name !== "default" && name !== "__esModule");
    throw new SyntaxError(
      `"${specifier}" has no export "${missing}"; it has ${available.join(", ") || "none"}`,
    );
  }

  /** Modules with top-level await cannot be required, only imported. */
  async #loaded(specifier: string, directory: string): Promise<unknown> {
    try {
      return this.require(specifier, directory);
    } catch (error) {
      if ((error as { code?: unknown }).code !== "ERR_REQUIRE_ASYNC_MODULE") throw error;
      const file = createRequire(path.join(directory, "prompt.ts")).resolve(specifier);
      return import(pathToFileURL(file).href);
    }
  }
}

/** A CommonJS module as `import` sees it: its exports, and `module.exports` as `default`. */
function asNamespace(loaded: unknown): Record<string, unknown> {
  if (typeof loaded !== "object" || loaded === null)
    return Object.assign(Object(loaded), { default: loaded });
  if ("__esModule" in loaded || "default" in loaded) return loaded as Record<string, unknown>;
  return { ...loaded, default: loaded };
}
