/** The parameters of `call` as in its source, without types and defaults: names, patterns, `...rest`. */
export function parametersOf(call: Function): string[] {
  const source = call.toString();
  const start = source.indexOf("(");
  if (start < 0 || /^[\w$]+\s*=>/.test(source)) return [/^[\w$]+/.exec(source)?.[0] ?? ""];
  return splitAtCommas(balanced(source, start))
    .map((one) => one.replace(/\s*=[\s\S]*$/, "").trim())
    .filter(Boolean);
}

/** The text between the bracket at `start` and its closing bracket, on one line. */
export function balanced(source: string, start: number): string {
  let depth = 0;
  for (let at = start; at < source.length; at += 1) {
    if ("([{".includes(source[at] ?? "")) depth += 1;
    if (")]}".includes(source[at] ?? "")) depth -= 1;
    if (depth === 0)
      return source
        .slice(start + 1, at)
        .replaceAll(/\s*\n\s*/g, " ")
        .replace(/,\s*$/, "")
        .trim();
  }
  return "";
}

function splitAtCommas(text: string): string[] {
  const parts = [""];
  let depth = 0;
  for (const letter of text) {
    if ("([{".includes(letter)) depth += 1;
    if (")]}".includes(letter)) depth -= 1;
    if (letter === "," && depth === 0) parts.push("");
    else parts.push(`${parts.pop()}${letter}`);
  }
  return parts;
}
