import path from "node:path";
import { readVersion, type Version, versionNow } from "./_sources";
import { root as engineRoot } from "./register";

const engine = path.join(engineRoot, "lib") + path.sep;

/** Watches over what is loaded once in the life of a process: the engine. */
export class LoadedOnce {
  readonly #versions = new Map<string, Version>();
  readonly #said = new Set<string>();
  /** Where this package was installed nobody edits it. */
  readonly #installed = engineRoot.split(path.sep).includes("node_modules");

  /** A sentence for each file that is no longer what was loaded, once for each content. */
  notices(): string[] {
    if (this.#installed) return [];
    this.#remember();
    return [...this.#versions].flatMap(([file, before]) => {
      const now = versionNow(file, before);
      if (now?.hash === before.hash) this.#versions.set(file, now);
      const shown = path.relative(engineRoot, file);
      return now?.hash === before.hash || !this.#isNew(`${file} ${now?.hash}`)
        ? []
        : [`${shown} changed: it is part of the engine, so this takes effect after a restart`];
    });
  }

  #remember(): void {
    for (const file of Object.keys(require.cache)) {
      if (file.startsWith(engine) && !this.#versions.has(file))
        this.#versions.set(file, readVersion(file).version);
    }
  }

  #isNew(text: string): boolean {
    return !this.#said.has(text) && this.#said.add(text) !== undefined;
  }
}
