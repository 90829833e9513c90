import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { REPLServer } from "node:repl";

/** How long after an input it is kept in the file, in milliseconds, if no other follows. */
const KEPT_AFTER_MS = 300;
/** Inputs by which the place is found where an earlier state of the history begins. */
const COMPARED = 20;

/** Node's own array, the newest input first; inputs of several lines have `\r` between them. */
type Inputs = string[];

/**
 * Gives `server` the inputs of earlier sessions, and keeps new ones: the last `size` of them, in
 * `$XDG_STATE_HOME/consfigurator/history`, readable only by its owner. The file is replaced as a whole, with what other prompts have
 * put there meanwhile. Node's own way overwrites it in place, so that its end is garbled once it is full.
 */
export function keepHistory(server: REPLServer, size: number): void {
  const { history: inputs } = server as REPLServer & { readonly history: Inputs };
  const file = historyFile();
  if (file === undefined) return;
  inputs.push(...linesIn(file).slice(0, size));
  let before = inputs.slice(0, COMPARED);
  const keep = () => {
    const added = newIn(inputs, before);
    before = inputs.slice(0, COMPARED);
    if (added.length > 0) replace(file, [...added, ...linesIn(file)].slice(0, size));
  };
  let later: NodeJS.Timeout | undefined;
  server.on("history", () => {
    clearTimeout(later);
    later = setTimeout(keep, KEPT_AFTER_MS);
  });
  server.on("close", () => {
    clearTimeout(later);
    keep();
  });
}

/** The inputs that came since the newest ones were `before`. */
function newIn(inputs: Inputs, before: Inputs): Inputs {
  const isBefore = (at: number) => before.every((input, index) => inputs[at + index] === input);
  const at = inputs.findIndex((_, index) => isBefore(index));
  return at < 0 || before.length === 0 ? inputs.slice() : inputs.slice(0, at);
}

/** Undefined if it cannot be created. */
function historyFile(): string | undefined {
  const state = process.env["XDG_STATE_HOME"] || path.join(os.homedir(), ".local", "state");
  const file = path.join(state, "consfigurator", "history");
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    fs.closeSync(fs.openSync(file, "a", 0o600));
    fs.chmodSync(file, 0o600);
    return file;
  } catch {
    return undefined;
  }
}

const linesIn = (file: string): string[] => {
  try {
    return fs.readFileSync(file, "utf8").split("\n").filter(Boolean);
  } catch {
    return [];
  }
};

function replace(file: string, lines: readonly string[]): void {
  const part = `${file}.${process.pid}`;
  try {
    fs.writeFileSync(part, `${lines.join("\n")}\n`, { mode: 0o600 });
    fs.renameSync(part, file);
  } catch {
    // A full or read-only home: the history of this session is in memory.
    fs.rmSync(part, { force: true });
  }
}
