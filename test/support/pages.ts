/** The documentation as data: its pages, their code blocks, links and headings. */
import { existsSync, globSync, readFileSync } from "node:fs";
import path from "node:path";
import { root } from "../../lib/util/package.js";

/** A fenced block. */
export interface Block {
  /** Path in the checkout, such as `docs/tutorial.md`. */
  readonly page: string;
  /** The number of its first line. */
  readonly line: number;
  readonly language: string;
  /** The flag after the language: `no-run` for commands that a test cannot run, `declaration` for types only. */
  readonly mark: string;
  readonly text: string;
  /** The file name from a comment on the first line, for a block that shows a whole file. */
  readonly file: string | undefined;
}

/** Every page, including generated ones. */
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
    if (end < 0) throw new Error(`${page}:${at + 1}: this code block is not closed`);
    const text = lines.slice(at + 1, end).join("\n");
    const file = /^\/\/ (\S+\.(?:tsx?|repl))$/m.exec(text.split("\n", 1)[0] ?? "")?.[1];
    found.push({ page, line: at + 2, language, mark, text, file });
    at = end;
  }
  return found;
}

/** An input in a transcript, and its output. */
export interface Exchange {
  readonly line: number;
  readonly input: string;
  readonly printed: readonly string[];
}

/** The exchanges of `block`; empty unless it is a transcript. */
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

/** The broken links of `page`: to a missing file or heading. */
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

/** The anchors that GitHub generates for the headings of a page. */
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
