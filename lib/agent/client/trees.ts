import type { Manifest, Sources } from "../../model/agent-artifacts";
import type { TreeChange, TreeFile } from "../shared/messages";

/** What a host has of our sources, as far as this controller knows: what it has need not be sent. */
export class Trees {
  readonly #whole: Set<string>;
  /** The newest tree that was sent in this session, to send differences from. */
  #latest: Manifest | undefined;

  constructor(trees: readonly string[]) {
    this.#whole = new Set(trees);
  }

  /** What must be sent for `sources`, or undefined when the host has all of them. It then counts as sent. */
  change(sources: Sources): TreeChange | undefined {
    const { manifest } = sources;
    const known = this.#whole.has(manifest.hash);
    const before = this.#latest;
    this.#whole.add(manifest.hash);
    this.#latest = manifest;
    if (known) return undefined;
    return before ? difference(before, sources) : this.whole(sources);
  }

  whole(sources: Sources): TreeChange {
    const { hash: tree, files, entries } = sources.manifest;
    this.#whole.add(tree);
    this.#latest = sources.manifest;
    return { tree, files: files.map(placed), removed: [], entries, blobs: contents(files, sources) };
  }

  forget(tree: string): void {
    this.#whole.delete(tree);
    this.#latest = undefined;
  }
}

function difference(before: Manifest, sources: Sources): TreeChange {
  const { hash: tree, files, entries } = sources.manifest;
  const had = new Map(before.files.map((file) => [file.path, file.hash]));
  const hashes = new Set(had.values());
  const changed = files.filter((file) => had.get(file.path) !== file.hash);
  const kept = new Set(files.map((file) => file.path));
  return {
    tree,
    base: before.hash,
    files: changed.map(placed),
    removed: before.files.map((file) => file.path).filter((path) => !kept.has(path)),
    entries,
    blobs: contents(
      changed.filter((file) => !hashes.has(file.hash)),
      sources,
    ),
  };
}

const placed = ({ path, hash }: TreeFile): TreeFile => ({ path, hash });

const contents = (files: readonly TreeFile[], { blob }: Sources): Record<string, Buffer> =>
  Object.fromEntries(files.map(({ hash }) => [hash, blob(hash)]));
