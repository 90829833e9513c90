import path from "node:path";
import type { PlannedBy, PlannedNode } from "../../model/planned-acts";
import { isWithin } from "../host-parts";

/** A file, directory or link as a plan expects it; undefined `node`: there is none any more. */
export interface PlannedEntry extends PlannedBy {
  readonly node: PlannedNode | undefined;
  /** The order in which things were planned. */
  readonly at: number;
}

/** What is to be seen at a path. */
export type Found =
  /** It is as on the host, at that path there. */
  | { readonly onHost: string; readonly entry?: undefined }
  /** It is as planned. */
  | { readonly onHost?: undefined; readonly entry: PlannedEntry };

/** The files that a plan would create, modify or remove, by absolute path without links in its directories. */
export class PlannedTree {
  readonly #entries = new Map<string, PlannedEntry>();

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  set(place: string, entry: PlannedEntry): void {
    // Another mode or owner of a new directory says nothing of what is in it.
    const isNew = entry.node?.fresh && !this.#entries.get(place)?.node?.fresh;
    if (entry.node === undefined || isNew) this.#forgetBelow(place);
    this.#entries.set(place, entry);
  }

  /** What is at `place`: the entry itself, or what an entry above it implies. */
  at(place: string): Found {
    const own = this.#entries.get(place);
    if (own) return { entry: own };
    for (let above = place; above !== "/"; ) {
      above = path.posix.dirname(above);
      const entry = this.#entries.get(above);
      if (!entry) continue;
      const { node } = entry;
      if (node?.type !== "directory" || node.fresh) return { entry: { ...entry, node: undefined } };
      if (node.source !== undefined) return { onHost: node.source + place.slice(above.length) };
      break;
    }
    return { onHost: place };
  }

  /** Whether anything is planned for `place` or a directory above it. */
  isPlannedAbove(place: string): boolean {
    for (let each = place; each !== "/"; each = path.posix.dirname(each))
      if (this.#entries.has(each)) return true;
    return false;
  }

  /** What is planned below `directory`, by place. */
  below(directory: string): [place: string, node: PlannedNode | undefined][] {
    return [...this.#entries]
      .filter(([place]) => place !== directory && isWithin(place, directory))
      .map(([place, { node }]) => [place, node]);
  }

  /** The names that are planned directly in `directory`, and whether they will be there. */
  namesIn(directory: string): Map<string, PlannedEntry> {
    const prefix = directory === "/" ? "/" : `${directory}/`;
    const names = new Map<string, PlannedEntry>();
    for (const [place, entry] of this.#entries)
      if (place.startsWith(prefix) && !place.slice(prefix.length).includes("/"))
        names.set(place.slice(prefix.length), entry);
    return names;
  }

  /** Every entry at one of `places` or below. */
  *within(places: readonly string[]): Iterable<PlannedEntry> {
    for (const [place, entry] of this.#entries) if (places.some((each) => isWithin(place, each))) yield entry;
  }

  #forgetBelow(place: string): void {
    for (const each of this.#entries.keys()) if (isWithin(each, place)) this.#entries.delete(each);
  }
}
