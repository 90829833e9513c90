import { StringDecoder } from "node:string_decoder";
import { PASTE_END, PASTE_START } from "../_paste";

/** A key by its name, such as "up", "enter", "ctrl-c" or "q"; or pasted text. */
export interface Key {
  readonly name: string;
  /** What a text field takes from it. */
  readonly text: string;
}

/** After this time, Escape is a key of its own, not the beginning of another one that arrives in pieces. */
const ESCAPE_MS = 60;

/** Makes keys of what a terminal sends, in whatever pieces it arrives. */
export class KeyReader {
  readonly #decoder = new StringDecoder("utf8");
  #rest = "";
  #waiting: NodeJS.Timeout | undefined;

  constructor(private readonly take: (key: Key) => void) {}

  add(chunk: Buffer): void {
    clearTimeout(this.#waiting);
    const { keys, rest } = keysIn(this.#rest + this.#decoder.write(chunk));
    this.#rest = rest;
    if (rest !== "" && !rest.startsWith(PASTE_START))
      this.#waiting = setTimeout(() => this.#giveUp(), ESCAPE_MS);
    for (const key of keys) this.take(key);
  }

  close(): void {
    clearTimeout(this.#waiting);
  }

  /** What has begun is not continued: Escape if it was alone, otherwise no key that is known. */
  #giveUp(): void {
    const isEscape = this.#rest === "\u001b";
    this.#rest = "";
    if (isEscape) this.take(named("escape"));
  }
}

/** The keys in `typed`, and the beginning of a further one. */
export function keysIn(typed: string): { readonly keys: readonly Key[]; readonly rest: string } {
  const keys: Key[] = [];
  let left = typed;
  while (left !== "") {
    if (left.startsWith(PASTE_START)) {
      const end = left.indexOf(PASTE_END);
      if (end < 0) return { keys, rest: left };
      keys.push({ name: "paste", text: left.slice(PASTE_START.length, end) });
      left = left.slice(end + PASTE_END.length);
      continue;
    }
    const [whole] = SEQUENCE.exec(left) ?? [];
    if (whole === undefined && BEGUN.test(left)) return { keys, rest: left };
    const one = whole ?? String.fromCodePoint(left.codePointAt(0) ?? 0);
    const key = keyOf(one);
    if (key) keys.push(key);
    left = left.slice(one.length);
  }
  return { keys, rest: "" };
}

/** A whole sequence of a special key. */
const SEQUENCE = /^\u001b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z])/;
const BEGUN = /^\u001b(?:\[[0-9;]*|O)?$/;

const SPECIAL: Readonly<Record<string, string>> = {
  A: "up",
  B: "down",
  C: "right",
  D: "left",
  H: "home",
  F: "end",
  Z: "back-tab",
  "1~": "home",
  "4~": "end",
  "5~": "page-up",
  "6~": "page-down",
  "7~": "home",
  "8~": "end",
};

const CONTROL: Readonly<Record<string, string>> = {
  "\r": "enter",
  "\n": "enter",
  "\t": "tab",
  "\u001b": "escape",
  "\u0003": "ctrl-c",
  "\u0004": "ctrl-d",
  "\u000c": "ctrl-l",
  "\u0015": "ctrl-u",
  "\u007f": "backspace",
  "\b": "backspace",
};

/** Undefined for a key that means nothing. */
function keyOf(one: string): Key | undefined {
  const sequence = one.length > 1 && one.startsWith("\u001b") ? one.slice(2) : undefined;
  if (sequence !== undefined) {
    const name = SPECIAL[sequence];
    return name === undefined ? undefined : named(name);
  }
  const control = CONTROL[one];
  if (control !== undefined) return named(control);
  return one < " " ? undefined : { name: one, text: one };
}

const named = (name: string): Key => ({ name, text: "" });
