import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Consfig, Refresh } from "../lib/source/consfig";
import { isRelative } from "../lib/source/resolve";
import { compileInput, type Statement } from "./_language";
import { Scope } from "./scope";

/** What refreshing the consfig came to, with the names of the prompt that newer ones took the place of. */
export interface Reload extends Refresh {
  readonly replaced: readonly string[];
}

/** A consfig and what was said about it: where the prompt and playbooks run. */
export class Workspace {
  readonly scope: Scope;
  #consfig: Readonly<Record<string, unknown>> = {};
  #latest: Refresh = { loaded: [], removed: [], notices: [] };
  readonly #unsaid: Reload[] = [];
  #library: Record<string, unknown> | undefined;

  constructor(
    readonly consfig: Pick<Consfig, "root" | "scope" | "refresh"> & {
      mapPositions?(text: string): string;
      import?(specifier: string, file: string): unknown;
    },
  ) {
    this.scope = new Scope({
      consfig: () => this.#consfig,
      library: () => (this.#library ??= require("../lib/index") as Record<string, unknown>),
      require: (specifier) => this.require(specifier),
    });
  }

  /**
   * Loads what changed in the consfig, and says all that was loaded since this was last asked. A name declared at the
   * prompt gives way to one of a file that is now another than before, so that the last definition stands, wherever it
   * was made.
   */
  refresh(): Reload {
    this.refreshAhead();
    const { error } = this.#latest;
    const said = this.#unsaid.splice(0);
    const all = <K extends "loaded" | "removed" | "notices" | "replaced">(key: K): string[] => [
      ...new Set(said.flatMap((reload) => reload[key])),
    ];
    return {
      loaded: all("loaded"),
      removed: all("removed"),
      notices: all("notices"),
      replaced: all("replaced"),
      ...(error && { error }),
    };
  }

  /** As `refresh`, while nobody waits; what it did is said by the next `refresh`. */
  refreshAhead(): void {
    const refreshed = this.consfig.refresh();
    const before = this.#consfig;
    this.#consfig = this.consfig.scope();
    const replaced = this.scope
      .declared()
      .filter((name) => Object.hasOwn(before, name) && before[name] !== this.#consfig[name])
      .filter((name) => this.scope.forget(name));
    this.#latest = refreshed;
    this.#unsaid.push({ ...refreshed, replaced });
  }

  /** Everything that the consfig gives by name. */
  names(): Readonly<Record<string, unknown>> {
    return this.#consfig;
  }

  /** `file` as short as it can be written here. */
  shortPath(file: string): string {
    const relative = path.relative(this.consfig.root, file);
    return relative.startsWith("..") ? file : relative;
  }

  /** Compiled positions in `text` as lines of the user's sources. */
  mapPositions(text: string): string {
    return this.consfig.mapPositions?.(text) ?? text;
  }

  /** `text` as statements, its imports relative to `directory` (the consfig's unless given). */
  compile(text: string, file: string, { directory = this.consfig.root, keep = false } = {}): Statement[] {
    const load = (specifier: string, names: readonly string[]) => this.#load(specifier, names, directory);
    return compileInput(text, file, { scope: this.scope.proxy, load }, { keep });
  }

  /** The module `specifier`, as seen from the consfig. */
  require(specifier: string, directory = this.consfig.root): unknown {
    if (specifier === "consfigurator") return require("../lib/index");
    if (specifier === "consfigurator/properties") return require("../properties/index");
    if (isRelative(specifier) && this.consfig.import)
      return this.consfig.import(specifier, path.join(directory, "prompt"));
    return createRequire(path.join(directory, "prompt.ts"))(specifier);
  }

  async #load(specifier: string, names: readonly string[], directory: string): Promise<unknown> {
    const loaded = asNamespace(await this.#loaded(specifier, directory));
    const missing = names.find((name) => !(name in loaded));
    if (missing === undefined) return loaded;
    const there = Object.keys(loaded).filter((name) => name !== "default" && name !== "__esModule");
    throw new SyntaxError(`"${specifier}" has no export "${missing}"; it has ${there.join(", ") || "none"}`);
  }

  /** Modules that wait for something while they load cannot be required. */
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

/** A CommonJS module as `import` sees it: what it exports, and all of it as `default`. */
function asNamespace(loaded: unknown): Record<string, unknown> {
  if (typeof loaded !== "object" || loaded === null)
    return Object.assign(Object(loaded), { default: loaded });
  if ("__esModule" in loaded || "default" in loaded) return loaded as Record<string, unknown>;
  return { ...loaded, default: loaded };
}
