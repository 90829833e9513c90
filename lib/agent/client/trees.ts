import type { Manifest, Sources } from "../../model/agent-artifacts";
import type { TreeChange, TreeFile } from "../shared/messages";

/** The source trees that the host has, as far as this controller knows: these need not be sent. */
export class Trees {
  readonly #complete: Set<string>;
  /** The newest tree sent in this session: the base for differences. */
  #latest: Manifest | undefined;

  constructor(trees: readonly string[]) {
    this.#complete = new Set(trees);
  }

  /** The change to send for `sources`; undefined when the host has all of them. Counts them as sent. */
  change(sources: Sources): TreeChange | undefined {
    const { manifest } = sources;
    const known = this.#complete.has(manifest.hash);
    const before = this.#latest;
    this.#complete.add(manifest.hash);
    this.#latest = manifest;
    if (known) return undefined;
    return before ? difference(before, sources) : this.whole(sources);
  }

  whole(sources: Sources): TreeChange {
    const { hash: tree, files, entries } = sources.manifest;
    this.#complete.add(tree);
    this.#latest = sources.manifest;
    return { tree, files: files.map(treeFile), removed: [], entries, blobs: contents(files, sources) };
  }

  forget(tree: string): void {
    this.#complete.delete(tree);
    this.#latest = undefined;
  }
}

function difference(before: Manifest, sources: Sources): TreeChange {
  const { hash: tree, files, entries } = sources.manifest;
  const earlier = new Map(before.files.map((file) => [file.path, file.hash]));
  const hashes = new Set(earlier.values());
  const changed = files.filter((file) => earlier.get(file.path) !== file.hash);
  const kept = new Set(files.map((file) => file.path));
  return {
    tree,
    base: before.hash,
    files: changed.map(treeFile),
    removed: before.files.map((file) => file.path).filter((path) => !kept.has(path)),
    entries,
    blobs: contents(
      changed.filter((file) => !hashes.has(file.hash)),
      sources,
    ),
  };
}

const treeFile = ({ path, hash }: TreeFile): TreeFile => ({ path, hash });

const contents = (files: readonly TreeFile[], { blob }: Sources): Record<string, Buffer> =>
  Object.fromEntries(files.map(({ hash }) => [hash, blob(hash)]));
