/** What a process of ours needs to start others of its kind: what it was itself started from. */
export interface AgentArtifacts {
  /** The files, for workers on this machine; undefined on the controller, which is no worker. */
  readonly files?: ArtifactFiles;
  /** The file with which an agent is started on a further host. */
  boot(): Promise<BootBundle>;
  /** The runtime for a further host. Throws `ConsfigError` when there is none for its sort. */
  runtime(uname: string, compression: Compression): Promise<Runtime>;
  /** What an agent must have to apply `properties`, said with `modules`, and open `hops`. */
  sources(properties: Iterable<string>, hops: Iterable<string>, modules: Iterable<string>): Sources;
}

/**
 * Where the kit stands in every context that is entered: a directory that Linux keeps empty for old programs. So none
 * has to be made, and none is left behind.
 */
export const ARTIFACTS_MOUNT = "/proc/tty/ldisc";

export interface ArtifactFiles {
  readonly node: string;
  readonly boot: string;
  readonly tree: string;
}

/** The one file that a host is sent besides the runtime, and the name by which both ends know it. */
export interface BootBundle {
  readonly hash: string;
  readonly code: Buffer;
}

/** How a runtime is compressed; the host needs the command that undoes it. */
export type Compression = "zstd" | "gzip";

/** A runtime for one sort of host, ready to be sent. */
export interface Runtime {
  /** Names it: version and platform. */
  readonly id: string;
  readonly sha256: string;
  /** Bytes of the binary. */
  readonly size: number;
  /** It ends with a checksum of the binary, which is verified when it is unpacked. */
  readonly compressed: { readonly file: string; readonly size: number };
}

/** A tree of sources, and where its contents are found. */
export interface Sources {
  readonly manifest: Manifest;
  blob(hash: string): Buffer;
}

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
