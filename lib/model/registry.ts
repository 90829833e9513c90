import { similar } from "../util/similar";
import { ConsfigError } from "./errors";
import type { Site } from "./site";

/** Two files define the same name. */
export class DuplicateName extends ConsfigError {}

interface Entry<T> {
  readonly value: T;
  readonly site: Site;
  /** The file whose evaluation defined it; the site may be in a helper which that file calls. */
  readonly file: string;
}

let evaluating: string | undefined;

/** Runs `evaluate`; its definitions belong to `file`. Undefined: each belongs to the file in which it is written. */
export function definedBy<R>(file: string | undefined, evaluate: () => R): R {
  const outer = evaluating;
  evaluating = file;
  try {
    return evaluate();
  } finally {
    evaluating = outer;
  }
}

/**
 * The current definitions of one type in the consfig, by name. A file that is loaded again replaces its definitions; two
 * files cannot define the same name; the prompt may redefine anything.
 */
export class Registry<T> {
  #entries = new Map<string, Entry<T>>();

  /** `noun` is used in messages, such as "property". */
  constructor(readonly noun: string) {}

  define(name: string, value: T, site: Site): void {
    const before = this.#entries.get(name);
    const file = evaluating ?? site.file;
    if (before && before.file !== file && !before.site.atPrompt && !site.atPrompt) {
      throw new DuplicateName(
        `the ${this.noun} "${name}" is defined twice: at ${before.site} and at ${site}; give one of them another name`,
      );
    }
    this.#entries.set(name, { value, site, file });
  }

  get(name: string): T | undefined {
    return this.#entries.get(name)?.value;
  }

  /** The location of the definition of `name`. */
  siteOf(name: string): Site | undefined {
    return this.#entries.get(name)?.site;
  }

  /** The file that defines `name` when it is loaded. */
  fileOf(name: string): string | undefined {
    return this.#entries.get(name)?.file;
  }

  names(): string[] {
    return [...this.#entries.keys()].sort();
  }

  values(): T[] {
    return [...this.#entries.values()].map(({ value }) => value);
  }

  /** Removes the definitions of `files`: before they are evaluated again, or when they have been deleted. */
  forget(files: ReadonlySet<string>): void {
    for (const [name, { file }] of this.#entries) if (files.has(file)) this.#entries.delete(name);
  }

  /** The current state, for `restore` when an evaluation fails. */
  snapshot(): ReadonlyMap<string, Entry<T>> {
    return new Map(this.#entries);
  }

  restore(snapshot: ReadonlyMap<string, Entry<T>>): void {
    this.#entries = new Map(snapshot);
  }

  /** Names similar to `wanted`, closest first, for "did you mean". */
  similar(wanted: string): string[] {
    return similar(this.names(), wanted);
  }
}
