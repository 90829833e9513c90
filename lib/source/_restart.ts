import path from "node:path";
import { root as engineRoot } from "../util/package";
import { readVersion, type Version, versionNow } from "./sources";

/** Watches over what is loaded once in the life of a process: the engine. */
export class LoadedOnce {
  readonly #directory: string;
  readonly #versions = new Map<string, Version>();
  readonly #said = new Set<string>();
  #begun = false;

  constructor(directory = path.join(engineRoot, "lib")) {
    this.#directory = directory;
  }

  /**
   * Takes what is loaded at present as it is now, a moment from now: reading it all must not hold up a start. Where
   * this package was installed nobody edits it, and nothing is done.
   */
  begin(): void {
    if (this.#begun || engineRoot.split(path.sep).includes("node_modules")) return;
    this.#begun = true;
    setTimeout(() => this.remember(), 1000).unref();
  }

  remember(): void {
    for (const file of Object.keys(require.cache)) {
      if (!file.startsWith(this.#directory + path.sep) || this.#versions.has(file)) continue;
      try {
        this.#versions.set(file, readVersion(file).version);
      } catch {} // It is gone already.
    }
  }

  /** A sentence about the files that are no longer what was loaded; once for each content. */
  notices(): string[] {
    const changed = [...this.#versions]
      .filter(([file, before]) => this.#isNews(file, before))
      .map(([file]) => path.relative(path.dirname(this.#directory), file));
    if (this.#versions.size > 0) this.remember();
    if (changed.length === 0) return [];
    return [`changed in the engine, which takes effect after a restart: ${changed.join(", ")}`];
  }

  #isNews(file: string, before: Version): boolean {
    const now = versionNow(file, before);
    if (now?.hash === before.hash) this.#versions.set(file, now);
    const text = `${file} ${now?.hash}`;
    return now?.hash !== before.hash && !this.#said.has(text) && this.#said.add(text) !== undefined;
  }
}
