import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import type { OwnerIds } from "../../model/target";
import {
  changedMeanwhile,
  Entry,
  makeDirectoryAt,
  type PinnedDirectory,
  withEntry,
  withHandle,
} from "./pinned";
import { copyOpened, syncDirectory, type Trace, withSibling } from "./replace-file";

/** Creates the directory `entry`, and sets the mode of the very directory that was created. */
export function makeDirectory(entry: Entry, mode: number | undefined): void {
  makeDirectoryAt(entry.path);
  if (mode === undefined) return;
  const made = entry.open();
  try {
    if (!made?.stat.isDirectory()) throw changedMeanwhile(entry);
    made.setMode(mode);
  } finally {
    made?.close();
  }
}

/** Makes `entry` a link to `to`, atomically. */
export function replaceLink(entry: Entry, to: string): void {
  const temporary = entry.directory.at(`.${entry.name.slice(0, 100)}.${randomBytes(9).toString("hex")}`);
  fs.symlinkSync(to, temporary);
  const { ino } = fs.lstatSync(temporary);
  try {
    fs.renameSync(temporary, entry.path);
  } catch (error) {
    fs.unlinkSync(temporary);
    throw error;
  }
  if (entry.lstat()?.ino !== ino) throw changedMeanwhile(entry);
}

/** Copies `source` to `destination`, with all attributes that this host can copy. */
export const copyFile = (source: string, destination: string, trace: Trace): Promise<void> =>
  withHandle(source, { follow: true }, (original) =>
    withEntry(destination, {}, async (entry) => {
      if (!original.stat.isFile()) throw new Error("EINVAL: the source is not a regular file, open");
      await withSibling(entry, async (file, rename) => {
        await copyOpened(original, file, trace);
        await file.sync();
        rename();
      });
      await syncDirectory(entry);
    }),
  );

/** Gives what belongs to `from` in `directory`, itself included, to `to`. Returns whether there was anything. */
export function reassignBelow(directory: PinnedDirectory, from: OwnerIds, to: OwnerIds): boolean {
  const device = directory.stat().dev;
  let changed = reassign(new Entry(directory, "."), from, to);
  for (const name of fs.readdirSync(directory.at())) {
    const entry = new Entry(directory, name);
    const found = entry.lstat();
    if (!found || found.dev !== device) continue;
    if (!found.isDirectory()) {
      changed = reassign(entry, from, to) || changed;
      continue;
    }
    const inside = directory.enter(name);
    try {
      if (inside.stat().dev === device) changed = reassignBelow(inside, from, to) || changed;
    } finally {
      inside.close();
    }
  }
  return changed;
}

function reassign(entry: Entry, from: OwnerIds, to: OwnerIds): boolean {
  const handle = entry.open();
  try {
    if (!handle) return false;
    const { uid, gid, mode } = handle.stat;
    const wanted = { uid: uid === from.uid ? to.uid : uid, gid: gid === from.gid ? to.gid : gid };
    if (wanted.uid === uid && wanted.gid === gid) return false;
    handle.setOwner(wanted.uid, wanted.gid);
    // The kernel drops setuid and setgid when the owner changes.
    if ((mode & 0o6000) !== 0 && !handle.stat.isSymbolicLink()) handle.setMode(mode & 0o7777);
    return true;
  } finally {
    handle?.close();
  }
}
