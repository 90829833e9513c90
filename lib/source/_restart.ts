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

  /** A sentence about the files that are no longer what was loaded; once for each content. */
  notices(): string[] {
    if (this.#installed) return [];
    this.#remember();
    const changed = [...this.#versions]
      .filter(([file, before]) => this.#isNews(file, before))
      .map(([file]) => file);
    if (changed.length === 0) return [];
    const files = changed.map((file) => path.relative(engineRoot, file)).join(", ");
    return [`changed in the engine, which takes effect after a restart: ${files}`];
  }

  #isNews(file: string, before: Version): boolean {
    const now = versionNow(file, before);
    if (now?.hash === before.hash) this.#versions.set(file, now);
    const text = `${file} ${now?.hash}`;
    return now?.hash !== before.hash && !this.#said.has(text) && this.#said.add(text) !== undefined;
  }

  #remember(): void {
    for (const file of Object.keys(require.cache)) {
      if (file.startsWith(engine) && !this.#versions.has(file))
        this.#versions.set(file, readVersion(file).version);
    }
  }
}
