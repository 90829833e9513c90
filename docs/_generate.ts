import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { directory, reference } from "./_reference";

/** Rewrites docs/reference, and removes obsolete pages. */
export function main(): void {
  const pages = reference();
  mkdirSync(directory, { recursive: true });
  for (const file of readdirSync(directory)) if (!pages.has(file)) rmSync(path.join(directory, file));
  for (const [file, text] of pages) writeFileSync(path.join(directory, file), text);
  console.log(`${pages.size} pages in docs/reference`);
}
