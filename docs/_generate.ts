import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { root } from "../lib/util/package.js";
import { directory, reference } from "./_reference";
import { withRoomsTable } from "./_rooms";

/** Rewrites docs/reference, and removes obsolete pages. */
export function main(): void {
  const pages = reference();
  mkdirSync(directory, { recursive: true });
  for (const file of readdirSync(directory)) if (!pages.has(file)) rmSync(path.join(directory, file));
  for (const [file, text] of pages) writeFileSync(path.join(directory, file), text);
  const architecture = path.join(root, "docs/architecture.md");
  writeFileSync(architecture, withRoomsTable(readFileSync(architecture, "utf8")));
  console.log(`${pages.size} pages in docs/reference`);
}
