/** The files from which a controller, agent or worker starts further agents and workers. */
export interface AgentArtifacts {
  /** The files for workers on this machine; undefined on the controller, which starts none. */
  readonly files?: ArtifactFiles;
  /** The file that starts an agent on another host. */
  boot(): Promise<BootBundle>;
  /** The runtime for another host. Throws `ConsfigError` when its platform is not supported. */
  runtime(uname: string, compression: Compression): Promise<Runtime>;
  /** The sources an agent needs to apply `properties`, whose arguments name `modules`, and to open `hops`. */
  sources(properties: Iterable<string>, hops: Iterable<string>, modules: Iterable<string>): Sources;
}

/**
 * The artifacts are mounted here in every context that a worker enters. Linux keeps this directory empty for old
 * programs, so no directory has to be made or removed.
 */
export const ARTIFACTS_MOUNT = "/proc/tty/ldisc";

export interface ArtifactFiles {
  readonly node: string;
  readonly boot: string;
  readonly tree: string;
}

/** The one file that is sent to a host besides the runtime. Both ends identify it by `hash`. */
export interface BootBundle {
  readonly hash: string;
  readonly code: Buffer;
}

/** The compression of a runtime; the host needs the matching command to unpack it. */
export type Compression = "zstd" | "gzip";

/** A runtime for one platform, ready to be sent. */
export interface Runtime {
  /** Version and platform. */
  readonly id: string;
  readonly sha256: string;
  /** Bytes of the binary. */
  readonly size: number;
  /** The file ends with a checksum of the binary, which is verified on unpacking. */
  readonly compressed: { readonly file: string; readonly size: number };
  /** The path, in an npm registry, of a package that contains the same binary as `package/bin/node`. */
  readonly tarball?: string;
}

/** A tree of sources: its manifest, and the content of each file by hash. */
export interface Sources {
  readonly manifest: Manifest;
  blob(hash: string): Buffer;
}

/** Every source file that an agent needs to apply certain properties. */
export interface Manifest {
  /** Covers `files` and `entries`. */
  readonly hash: string;
  /** Sorted by path. */
  readonly files: readonly ManifestFile[];
  /** Paths in the tree of the modules to require, so that the properties are defined. */
  readonly entries: readonly string[];
}

export interface ManifestFile {
  readonly path: string;
  /** SHA-256 of the content. */
  readonly hash: string;
  /** Bytes. */
  readonly size: number;
}
