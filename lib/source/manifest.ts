/** Everything that must be on a host so that its agent can apply certain properties. */
export interface Manifest {
  /** Of all that follows. */
  readonly hash: string;
  /** Sorted by their places in the tree. */
  readonly files: readonly ManifestFile[];
  /** Places in the tree of what has to be required, so that the properties are defined. */
  readonly entries: readonly string[];
}

export interface ManifestFile {
  readonly path: string;
  /** SHA-256 of the content. */
  readonly hash: string;
  /** Bytes. */
  readonly size: number;
}
