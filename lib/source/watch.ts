import path from "node:path";
import type { FSWatcher } from "chokidar";
import type { ModuleGraph } from "./_graph";
import { isSource } from "./sources";

/** An editor writes a file in several strokes; a checkout writes many files. */
const QUIET_MS = 30;

/** What watches, until it is closed. */
export interface Watch {
  close(): Promise<void>;
}

/** Directories of sources that are not in the graph: they become known as deployments name them. */
export interface MoreDirectories {
  /** Calls back with those that are known, and with others when they are. Returns what ends that. */
  follow(add: (directories: readonly string[]) => void): () => void;
}

/** Calls `onSave` with the files (absolute) that were saved, created or removed where `graph` has its sources. */
export function watchSources(
  graph: ModuleGraph,
  more: MoreDirectories,
  onSave: (files: string[]) => void,
): Watch {
  const saved = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  const note = (file: string): void => {
    if (!isSource(file)) return;
    saved.add(file);
    clearTimeout(timer);
    timer = setTimeout(() => {
      const files = [...saved].sort();
      saved.clear();
      onSave(files);
    }, QUIET_MS);
  };
  let closed = false;
  let unfollow = () => {};
  const started = import("chokidar").then(({ watch }): FSWatcher | undefined => {
    if (closed) return undefined;
    const watcher = watch([...graph.directories], { ignoreInitial: true, ignored: isForeign(graph.root) });
    unfollow = more.follow((directories) => watcher.add([...directories]));
    return watcher
      .on("add", note)
      .on("change", note)
      .on("unlink", note)
      .on("error", () => {});
  });
  return {
    close: async () => {
      closed = true;
      clearTimeout(timer);
      unfollow();
      await (await started)?.close();
    },
  };
}

/** Below the directories watched, but nobody's source. */
function isForeign(root: string): (file: string) => boolean {
  return (file) => {
    const parts = path.relative(root, file).split(path.sep);
    const below = parts[0] === ".." ? parts.slice(-1) : parts;
    return below.some((part) => part === "node_modules" || (part.startsWith(".") && part.length > 1));
  };
}
