import fs from "node:fs";
import path from "node:path";
import { initConsfig } from "../lib/source/init";
import { CommandError } from "./commands/error";
import type { Out } from "./views/view";

/** Makes a consfig in `directory`, which must be empty or not be there. Gives the exit code. */
export function init(directory: string, out: Out): number {
  const root = path.resolve(directory);
  if (fs.existsSync(root) && fs.readdirSync(root).length > 0) {
    throw new CommandError(`${root} is not empty; give a directory that is, or that is not there yet`);
  }
  for (const name of initConsfig(root)) out.write(`${path.join(directory, name)}\n`);
  out.write(`\nNow: cd ${directory} && consfig, and at the prompt: deploy(example)\n`);
  return 0;
}
