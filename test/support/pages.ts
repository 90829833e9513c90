/** The documentation as data: its pages, the blocks of code on them, their links and headings. */
import { existsSync, globSync, readFileSync } from "node:fs";
import path from "node:path";
import { root } from "../../lib/util/package.js";

/** A fenced block. */
export interface Block {
  /** Of the checkout, such as `docs/tutorial.md`. */
  readonly page: string;
  /** Where its first line stands. */
  readonly line: number;
  readonly language: string;
  /** What stands behind the language: `no-run` where a command cannot be run by a test, `declaration` for mere types. */
  readonly mark: string;
  readonly text: string;
  /** Of a file that is shown whole its name, which is in a comment on the first line. */
  readonly file: string | undefined;
}

/** Every page, generated ones too. */
export const pages = (): string[] =>
  globSync(["*.md", "docs/**/*.md"], { cwd: root })
    .map((page) => page.replaceAll(path.sep, "/"))
    .sort();

export function blocksOf(page: string): Block[] {
  const found: Block[] = [];
  const lines = textOf(page).split("\n");
  for (let at = 0; at < lines.length; at += 1) {
    const [, fence, language = "", mark = ""] = /^(```+)(\S*) *(.*)$/.exec(lines[at] ?? "") ?? [];
    if (!fence) continue;
    const end = lines.indexOf(fence, at + 1);
    if (end < 0) throw new Error(`${page}:${at + 1}: this block has no end`);
    const text = lines.slice(at + 1, end).join("\n");
    const file = /^\/\/ (\S+\.(?:tsx?|repl))$/m.exec(text.split("\n", 1)[0] ?? "")?.[1];
    found.push({ page, line: at + 2, language, mark, text, file });
    at = end;
  }
  return found;
}

/** What is typed in a transcript, and what is then printed. */
export interface Exchange {
  readonly line: number;
  readonly input: string;
  readonly printed: readonly string[];
}

/** The exchanges of `block`, if it is a transcript. */
export function exchangesOf(block: Block): Exchange[] {
  const lines = block.text.split("\n");
  return lines.flatMap((line, index) => {
    if (!line.startsWith("consfig>")) return [];
    const rest = lines.slice(index + 1);
    const end = rest.findIndex((each) => /^(consfig>|\$ )/.test(each));
    const input = line.slice("consfig>".length).trim();
    return [{ line: block.line + index, input, printed: end < 0 ? rest : rest.slice(0, end) }];
  });
}

/** What is wrong with the links of `page`: a file that is not there, a heading that none has. */
export function brokenLinks(page: string): string[] {
  const prose = withoutBlocks(textOf(page));
  const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? "");
  return links
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => {
      const [file = "", anchor] = link.split("#");
      const target = file ? path.posix.join(path.posix.dirname(page), file) : page;
      if (!existsSync(path.join(root, target))) return true;
      return anchor !== undefined && !anchorsOf(target).has(anchor);
    })
    .map((link) => `${page}: ${link}`);
}

const known = new Map<string, Set<string>>();

/** The anchors of a page, as GitHub makes them of its headings. */
function anchorsOf(page: string): Set<string> {
  let anchors = known.get(page);
  if (!anchors) {
    anchors = new Set();
    for (const [, heading = ""] of withoutBlocks(textOf(page)).matchAll(/^#+ (.*)$/gm)) {
      const slug = heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
        .replaceAll(/\s/g, "-");
      let [name, count] = [slug, 0];
      while (anchors.has(name)) name = `${slug}-${(count += 1)}`;
      anchors.add(name);
    }
    known.set(page, anchors);
  }
  return anchors;
}

const withoutBlocks = (text: string): string => text.replaceAll(/^(```+)[^\n]*\n[\s\S]*?^\1$/gm, "");

const textOf = (page: string): string => readFileSync(path.join(root, page), "utf8");
