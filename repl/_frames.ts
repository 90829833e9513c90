import path from "node:path";
import { session } from "../lib/controller/session";
import { root } from "../lib/util/package.js";

/** The frames of a stack in the user's own files: without Node, this project and npm packages. */
export function userFrames(stack: string | undefined): string[] {
  const frames = (stack ?? "").split("\n").filter((line) => /^\s*at /.test(line));
  return frames
    .filter(isUsers)
    .map((frame) => readable(frame.trim()))
    .slice(0, MAX_FRAMES);
}

const MAX_FRAMES = 5;
const OURS = ["lib", "properties", "repl", "node_modules"].map((part) => path.join(root, part) + path.sep);

function isUsers(frame: string): boolean {
  const position = /\(?([^()\s]+:\d+:\d+)\)?$/.exec(frame)?.[1];
  if (!position || position.startsWith("node:") || position.includes("/node_modules/")) return false;
  if (position.startsWith("consfigurator/")) return false;
  const file = path.resolve(session.consfig?.root ?? ".", position.replace(/^file:\/\//, ""));
  return !OURS.some((directory) => file.startsWith(directory));
}

/** Hides function names that the user did not write: `run` around statements, anonymous ones around files. */
const readable = (frame: string): string =>
  frame
    .replace(/^at Object\.(?:run|<anonymous>) \((.*)\)$/, "at $1")
    .replace(/prompt:\/\/(\d+)/, "prompt[$1]");
