import path from "node:path";
import { root as engineRoot } from "../util/package";
import { readVersion, type Version, versionNow } from "./sources";

/** Tracks changes to the engine files, which are loaded only once per process. */
export class EngineFiles {
  readonly #directory: string;
  readonly #versions = new Map<string, Version>();
  readonly #reported = new Set<string>();
  #started = false;

  constructor(directory = path.join(engineRoot, "lib")) {
    this.#directory = directory;
  }

  /**
   * Records the versions of the loaded files a second later, so as not to delay the start. Does nothing in an installed
   * package, which is not edited.
   */
  start(): void {
    if (this.#started || engineRoot.split(path.sep).includes("node_modules")) return;
    this.#started = true;
    setTimeout(() => this.remember(), 1000).unref();
  }

  remember(): void {
    for (const file of Object.keys(require.cache)) {
      if (!file.startsWith(this.#directory + path.sep) || this.#versions.has(file)) continue;
      try {
        this.#versions.set(file, readVersion(file).version);
      } catch {} // Removed already.
    }
  }

  /** A notice about files that differ from what was loaded, once for each new content. */
  notices(): string[] {
    const changed = [...this.#versions]
      .filter(([file, before]) => this.#isUnreported(file, before))
      .map(([file]) => path.relative(path.dirname(this.#directory), file));
    if (this.#versions.size > 0) this.remember();
    if (changed.length === 0) return [];
    const shown = changed.slice(0, MOST_SHOWN).join(", ");
    const more = changed.length > MOST_SHOWN ? ` and ${changed.length - MOST_SHOWN} more` : "";
    return [`the engine changed; restart to use the new version: ${shown}${more}`];
  }

  #isUnreported(file: string, before: Version): boolean {
    const now = versionNow(file, before);
    if (now?.hash === before.hash) this.#versions.set(file, now);
    const text = `${file} ${now?.hash}`;
    return now?.hash !== before.hash && !this.#reported.has(text) && this.#reported.add(text) !== undefined;
  }
}

/** Of the files that changed: after an update they are many. */
const MOST_SHOWN = 3;
