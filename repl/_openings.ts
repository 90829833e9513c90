/** A bracket that is still open at the end of the input. */
export interface Opening {
  readonly bracket: "(" | "[" | "{";
  /** For a parenthesis: the name of the called function, such as `a.b`; otherwise empty. */
  readonly callee: string;
  /** The field of the enclosing object whose value it is in. */
  readonly key: string | undefined;
  /** The number of commas in it. */
  readonly index: number;
  /** For a brace: the field whose value is being typed; undefined if a name is expected. */
  readonly current: string | undefined;
  /** For a brace: the fields that have been named. */
  readonly named: readonly string[];
  /** The place of the bracket in the input. */
  readonly start: number;
}

interface InputState {
  readonly openings: readonly Opening[];
  /** The bracket whose counterpart is the last letter of the input. */
  readonly closed?: Opening | undefined;
  /** The string literal in which the input ends. */
  readonly string: { readonly quote: string; readonly start: number } | undefined;
  readonly inComment: boolean;
}

type Open = { -readonly [K in keyof Opening]: Opening[K] };

/** Finds the brackets that are open at the end of `input`, and whether it ends in a string or comment. */
export function readInput(input: string): InputState {
  const openings: Open[] = [];
  let closed: Opening | undefined;
  let at = 0;
  while (at < input.length) {
    const letter = input[at] ?? "";
    const innermost = openings.at(-1);
    closed = undefined;
    if (letter === "/" && input[at + 1] === "/") {
      const end = input.indexOf("\n", at);
      if (end < 0) return { openings, string: undefined, inComment: true };
      at = end;
    } else if (letter === "/" && input[at + 1] === "*") {
      const end = input.indexOf("*/", at + 2);
      if (end < 0) return { openings, string: undefined, inComment: true };
      at = end + 1;
    } else if (letter === '"' || letter === "'" || letter === "`") {
      const end = endOfString(input, at, letter);
      if (end < 0) return { openings, string: { quote: letter, start: at }, inComment: false };
      at = end;
    } else if (letter === "(" || letter === "[" || letter === "{") {
      const callee =
        letter === "(" ? (/[\p{ID_Start}$_][\p{ID_Continue}$.]*$/u.exec(input.slice(0, at))?.[0] ?? "") : "";
      openings.push({
        bracket: letter,
        callee,
        key: innermost?.current,
        index: 0,
        current: undefined,
        named: [],
        start: at,
      });
    } else if (letter === ")" || letter === "]" || letter === "}") closed = openings.pop();
    else if (letter === "," && innermost)
      Object.assign(innermost, { index: innermost.index + 1, current: undefined });
    else if (letter === ":" && innermost?.bracket === "{") {
      innermost.current = /(?:([\p{ID_Continue}$]+)|["']([^"']*)["'])\s*$/u
        .exec(input.slice(0, at))
        ?.slice(1)
        .find(Boolean);
      if (innermost.current !== undefined) innermost.named = [...innermost.named, innermost.current];
    }
    at += 1;
  }
  return { openings, closed, string: undefined, inComment: false };
}

function endOfString(input: string, start: number, quote: string): number {
  for (let at = start + 1; at < input.length; at += 1) {
    if (input[at] === "\\") at += 1;
    else if (input[at] === quote) return at;
  }
  return -1;
}
