import fs from "node:fs";
import path from "node:path";
import { initConsfig } from "../lib/source/init";
import { CommandError } from "./commands/error";
import type { Out } from "./views/view";

/** Creates a consfig in `directory`, which must be empty or missing. Returns the exit code. */
export function init(directory: string, out: Out): number {
  const root = path.resolve(directory);
  if (fs.existsSync(root) && fs.readdirSync(root).length > 0) {
    throw new CommandError(`${root} is not empty; choose an empty or new directory`);
  }
  for (const name of initConsfig(root)) out.write(`${path.join(directory, name)}\n`);
  out.write(`\nNext: cd ${directory} && consfig, then at the prompt: deploy(example)\n`);
  return 0;
}
