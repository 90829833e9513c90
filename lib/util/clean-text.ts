/**
 * Text from a host, made safe to print. Escape sequences and control characters are removed: on a terminal they could
 * clear the screen, set the title or the clipboard, or overwrite what stands there. Characters that change the direction
 * of text are shown by their code. Carriage returns become line breaks; tabs and line breaks stay.
 * The time is linear in the length of the text.
 */
export const cleanText = (text: string): string => (UNSAFE.test(text) ? cleaned(text, true).text : text);

/** `cleanText`, on one line. */
export const cleanLine = (text: string): string => {
  const clean = cleanText(text);
  return clean.includes("\n")
    ? clean
        .split("\n")
        .map((line) => line.trim())
        .filter(Boolean)
        .join(" ⏎ ")
    : clean;
};

/**
 * Text from a host, made safe to print, in which nothing is removed: control characters are shown by their pictures, and
 * characters that change the direction of text by their code. Tabs and line breaks stay.
 */
export const visibleText = (text: string): string =>
  UNSAFE.test(text) ? text.replace(NEXT_UNSAFE, picture) : text;

/** The sign of Unicode for a control character. */
function picture(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "␡" : `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
}

/** Cleans text that arrives in pieces, where an escape sequence may begin in one piece and end in the next. */
export class TextCleaner {
  #rest = "";

  add(piece: string): string {
    const { text, rest } = cleaned(this.#rest + piece, false);
    this.#rest = rest;
    return text;
  }
}

/** An unfinished sequence longer than this is not continued by the next piece. */
const MAX_REST = 256;

/** C0 except tab and line feed, DEL, C1, and the characters that change the direction of text. */
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
const NEXT_UNSAFE = new RegExp(UNSAFE, "g");

/** `rest`: an unfinished sequence at the end, unless `atEnd`. */
function cleaned(text: string, atEnd: boolean): { text: string; rest: string } {
  const kept: string[] = [];
  let from = 0;
  for (;;) {
    NEXT_UNSAFE.lastIndex = from;
    const at = NEXT_UNSAFE.exec(text)?.index;
    if (at === undefined) break;
    kept.push(text.slice(from, at));
    const end = endOfSequence(text, at);
    if (end === text.length && !atEnd && text.length - at <= MAX_REST && !isComplete(text, at))
      return { text: kept.join(""), rest: text.slice(at) };
    kept.push(shown(text, at, end));
    from = end;
  }
  kept.push(text.slice(from));
  return { text: kept.join(""), rest: "" };
}

const [ESC, CR, BEL, CSI, ST] = [0x1b, 0x0d, 0x07, 0x9b, 0x9c];
/** The C1 characters that begin a string: DCS, SOS, OSC, PM and APC. After ESC they are `P`, `X`, `]`, `^` and `_`. */
const STRINGS = [0x90, 0x98, 0x9d, 0x9e, 0x9f];

/** What replaces the unsafe characters from `at` to `end`. */
function shown(text: string, at: number, end: number): string {
  const code = text.charCodeAt(at);
  if (code === CR) return text[end] === "\n" ? "" : "\n";
  return code > 0x9f ? `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>` : "";
}

/** The end of the unsafe character at `at`, or of the escape sequence that it begins. */
function endOfSequence(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code === CR) return skip(text, at + 1, CR, CR);
  if (code === CSI) return endOfControl(text, at + 1);
  if (STRINGS.includes(code)) return endOfString(text, at + 1);
  if (code !== ESC) return at + 1;
  const next = text.charCodeAt(at + 1);
  if (next === 0x5b) return endOfControl(text, at + 2);
  if (STRINGS.includes(next + 0x40)) return endOfString(text, at + 2);
  const final = skip(text, at + 1, 0x20, 0x2f);
  return isWithin(text.charCodeAt(final), 0x30, 0x7e) ? final + 1 : final;
}

/** Parameters, intermediate characters, and the final character. */
function endOfControl(text: string, from: number): number {
  const final = skip(text, skip(text, from, 0x30, 0x3f), 0x20, 0x2f);
  return isWithin(text.charCodeAt(final), 0x40, 0x7e) ? final + 1 : final;
}

/** The next unsafe character or line break ends a string; BEL and ST belong to it. */
function endOfString(text: string, from: number): number {
  NEXT_END.lastIndex = from;
  const end = NEXT_END.exec(text)?.index ?? text.length;
  const code = text.charCodeAt(end);
  if (code === BEL || code === ST) return end + 1;
  return code === ESC && text[end + 1] === "\\" ? end + 2 : end;
}

const NEXT_END = /[\u0000-\u001f\u007f-\u009f]/g;

/** Whether the sequence that begins at `at` and reaches the end of `text` needs no further characters. */
function isComplete(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  if (code !== ESC && code !== CR && code !== CSI && !STRINGS.includes(code)) return true;
  const last = text.charCodeAt(text.length - 1);
  if (code === CR || text.length - at === 1) return false;
  const introducer = code === ESC ? text.charCodeAt(at + 1) : code - 0x40;
  if (STRINGS.includes(introducer + 0x40)) return last === BEL || last === ST || text.endsWith("\u001b\\");
  const isControl = introducer === 0x5b;
  const length = text.length - at - (code === ESC ? 1 : 0);
  return isControl ? length > 1 && isWithin(last, 0x40, 0x7e) : isWithin(last, 0x30, 0x7e);
}

const isWithin = (code: number, first: number, last: number): boolean => code >= first && code <= last;

function skip(text: string, from: number, first: number, last: number): number {
  let at = from;
  while (isWithin(text.charCodeAt(at), first, last)) at += 1;
  return at;
}
