import type { Compression } from "./_compressor";
import type { BootBundle } from "./client/boot-bundle";
import type { Runtime } from "./client/runtime";
import type { Sources } from "./client/trees";

/** What a process of ours needs to start others of its kind: what it was itself started from. */
export interface Kit {
  /** The files, for workers on this machine; undefined on the controller, which is no worker. */
  readonly files?: KitFiles;
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
export const KIT_PLACE = "/proc/tty/ldisc";

export interface KitFiles {
  readonly node: string;
  readonly boot: string;
  readonly tree: string;
}
