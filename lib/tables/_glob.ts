import type { PosixTarget } from "../model/target";
import { shellQuote } from "../util/shell-quote";

/** The paths that match `patterns` of the shell, in which only `*`, `?` and `[…]` are special. */
export async function pathsMatching(target: PosixTarget, patterns: readonly string[]): Promise<string[]> {
  if (patterns.length === 0) return [];
  const { stdout } = await target.query(
    `for f in ${patterns.map(globQuoted).join(" ")}; do if [ -e "$f" ] || [ -L "$f" ]; then printf '%s\\n' "$f"; fi; done`,
  );
  return stdout.split("\n").filter((path) => path !== "");
}

const globQuoted = (pattern: string): string =>
  pattern
    .split(/([*?]|\[[^\]]*\])/)
    .map((part, index) => (index % 2 === 1 ? part : part === "" ? "" : shellQuote(part)))
    .join("");
