"use strict";
/** Keeps the caches from growing without bound. */
const fs = require("node:fs/promises");
const path = require("node:path");

const DAY = 24 * 3600_000;
const KEPT = 30 * DAY;

/**
 * Marks the files of `used` as used today and, once a day, removes files unused for 30 days from the caches of compiled
 * files, bytecode and bundles under `cacheHome`.
 */
async function prune(cacheHome, used, now = Date.now()) {
  for (const file of used) await markUsed(file, now);
  const marker = path.join(cacheHome, "pruned");
  if (now - (await modified(marker)) < DAY) return;
  await fs.writeFile(marker, "");
  await fs.utimes(marker, now / 1000, now / 1000);
  for (const name of ["compiled", "bytecode", "bundles"]) await removeOld(path.join(cacheHome, name), now);
}

async function markUsed(file, now) {
  const age = now - (await modified(file));
  if (age > DAY && age < now) await fs.utimes(file, now / 1000, now / 1000).catch(() => {});
}

/** 0 for a file that does not exist. */
async function modified(file) {
  return fs.stat(file).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
}

async function removeOld(directory, now) {
  const entries = await fs.readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries.filter((found) => found.isFile())) {
    const file = path.join(entry.parentPath, entry.name);
    if (now - (await modified(file)) > KEPT) await fs.rm(file, { force: true });
  }
}

module.exports = { prune };
