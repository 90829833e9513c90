import { similar } from "../util/similar";
import { ConsfigError } from "./errors";
import type { Site } from "./site";

/** A name said twice by two files. */
export class DuplicateName extends ConsfigError {}

interface Entry<T> {
  readonly value: T;
  readonly site: Site;
  /** The file whose evaluation defined it; its site may be in a helper which that file calls. */
  readonly file: string;
}

let evaluating: string | undefined;

/** Runs `evaluate`; what it defines is `file`'s. Undefined: of whatever file the definition stands in. */
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
 * Everything of one sort that the consfig defines, by name, live. A file that is loaded again replaces what it
 * defined; two files cannot define one name; the prompt may redefine anything.
 */
export class Registry<T> {
  #entries = new Map<string, Entry<T>>();

  /** `sort` names in messages what is kept here, such as "property". */
  constructor(readonly sort: string) {}

  define(name: string, value: T, site: Site): void {
    const before = this.#entries.get(name);
    const file = evaluating ?? site.file;
    if (before && before.file !== file && !before.site.atPrompt && !site.atPrompt) {
      throw new DuplicateName(
        `the ${this.sort} "${name}" is defined twice: at ${before.site} and at ${site}; give one of them another name`,
      );
    }
    this.#entries.set(name, { value, site, file });
  }

  get(name: string): T | undefined {
    return this.#entries.get(name)?.value;
  }

  /** Where `name` is defined. */
  siteOf(name: string): Site | undefined {
    return this.#entries.get(name)?.site;
  }

  /** The file that has to be loaded for `name` to be defined. */
  fileOf(name: string): string | undefined {
    return this.#entries.get(name)?.file;
  }

  names(): string[] {
    return [...this.#entries.keys()].sort();
  }

  values(): T[] {
    return [...this.#entries.values()].map(({ value }) => value);
  }

  /** Forget what `files` defined: done before they are evaluated again, or when they are gone. */
  forget(files: ReadonlySet<string>): void {
    for (const [name, { file }] of this.#entries) if (files.has(file)) this.#entries.delete(name);
  }

  /** The present state, to go back to with `restore` when an evaluation fails. */
  snapshot(): ReadonlyMap<string, Entry<T>> {
    return new Map(this.#entries);
  }

  restore(snapshot: ReadonlyMap<string, Entry<T>>): void {
    this.#entries = new Map(snapshot);
  }

  /** Names like `wanted`, nearest first, for "did you mean". */
  similar(wanted: string): string[] {
    return similar(this.names(), wanted);
  }
}
