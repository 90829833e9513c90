import path from "node:path";
import { session } from "../lib/controller/session";
import { root } from "../lib/util/package.js";

/** The frames of a stack that stand in the user's own files: neither Node's, nor ours, nor those of packages. */
export function userFrames(stack: string | undefined): string[] {
  const frames = (stack ?? "").split("\n").filter((line) => /^\s*at /.test(line));
  return frames
    .filter(isUsers)
    .map((frame) => readable(frame.trim()))
    .slice(0, MOST);
}

const MOST = 5;
const OURS = ["lib", "properties", "repl", "node_modules"].map((part) => path.join(root, part) + path.sep);

function isUsers(frame: string): boolean {
  const place = /\(?([^()\s]+:\d+:\d+)\)?$/.exec(frame)?.[1];
  if (!place || place.startsWith("node:") || place.includes("/node_modules/")) return false;
  if (place.startsWith("consfigurator/")) return false;
  const file = path.resolve(session.consfig?.root ?? ".", place.replace(/^file:\/\//, ""));
  return !OURS.some((directory) => file.startsWith(directory));
}

/** Statements are functions named `run` for the engine, and files are nameless ones; the person wrote neither. */
const readable = (frame: string): string =>
  frame
    .replace(/^at Object\.(?:run|<anonymous>) \((.*)\)$/, "at $1")
    .replace(/prompt:\/\/(\d+)/, "prompt[$1]");
