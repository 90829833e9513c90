import { statSync } from "node:fs";
import path from "node:path";
import type { FSWatcher } from "chokidar";
import type { ModuleGraph } from "./_graph";
import { isSource } from "./sources";

/** Waits this long for further writes: an editor may write a file in several steps, a checkout writes many files. */
const QUIET_MS = 30;

/** A file that was emptied is about to be written again: it gets this long. */
const EMPTY_MS = 1_000;

/** A running file watcher. */
export interface Watch {
  close(): Promise<void>;
}

/** Directories of sources outside the graph, which become known when deployments use them. */
export interface MoreDirectories {
  /** Calls `add` with the directories known now, and with others later. Returns a function that stops this. */
  follow(add: (directories: readonly string[]) => void): () => void;
}

export interface WatchOptions {
  /** Milliseconds since 1970: files saved since then are reported, also if that was before this watcher could see them. */
  readonly since: number;
}

/** Calls `onSave` with the absolute paths of files saved, created or removed in the directories of `graph`. */
export function watchSources(
  graph: ModuleGraph,
  more: MoreDirectories,
  onSave: (files: string[]) => void,
  { since }: WatchOptions,
): Watch {
  const saved = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  const report = (): void => {
    const files = [...saved].sort();
    saved.clear();
    onSave(files);
  };
  const note = (file: string): void => {
    if (!isSource(file)) return;
    saved.add(file);
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (![...saved].some(isEmpty)) report();
      else timer = setTimeout(report, EMPTY_MS);
    }, QUIET_MS);
  };
  let closed = false;
  let unfollow = () => {};
  const started = import("chokidar").then(({ watch }): FSWatcher | undefined => {
    if (closed) return undefined;
    const watcher = watch([...graph.directories], { alwaysStat: true, ignored: isIgnored(graph.root) });
    unfollow = more.follow((directories) => watcher.add([...directories]));
    return watcher
      .on("add", (file, stats) => {
        // Not the time of modification: a file may be unpacked or renamed.
        if (stats === undefined || stats.ctimeMs >= since) note(file);
      })
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

function isEmpty(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.size === 0;
}

/** True for node_modules and hidden files under the watched directories. */
function isIgnored(root: string): (file: string) => boolean {
  return (file) => {
    const parts = path.relative(root, file).split(path.sep);
    const below = parts[0] === ".." ? parts.slice(-1) : parts;
    return below.some((part) => part === "node_modules" || (part.startsWith(".") && part.length > 1));
  };
}
