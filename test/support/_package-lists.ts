/**
 * The package lists of the test machines, without what no test installs: apt-get reads all of them each time, and Debian has
 * more than sixty thousand packages.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { root as project } from "../../lib/util/package";

const sources = ["properties", "hosts", "services", "docs", "lib", "test"];

/** The part of a package in a list, as it stands there. */
interface Listed {
  readonly list: string;
  readonly text: string;
}

/** What may be the name of a package in the sources of the project: not what prose says. */
export function wordsOfSources(): ReadonlySet<string> {
  const files = globSync(`{${sources.join(",")}}/**/*.{ts,tsx,js,json,md,repl}`, { cwd: project });
  const codes = files.map((file) => {
    const text = readFileSync(path.join(project, file), "utf8");
    return file.endsWith(".md")
      ? (text.match(/^```[\s\S]*?^```/gm) ?? []).join("\n")
      : text.replace(/^\s*(\/\/|\/?\*).*$/gm, "");
  });
  return new Set(codes.flatMap((code) => code.match(/(?<!\w)[a-z0-9][a-z0-9+.-]*[a-z0-9+](?!\w)/g) ?? []));
}

/** The names of the packages in the package lists of the Debian in `root`. */
export function listedPackages(root: string): string[] {
  const texts = listsIn(root).map((list) => readFileSync(list, "utf8"));
  return texts.flatMap((text) => [...text.matchAll(/^Package: (.*)/gm)].map(([, name = ""]) => name));
}

const listsIn = (root: string): string[] => globSync(path.join(root, "var/lib/apt/lists/*_Packages"));

/**
 * Leaves in the package lists of the Debian in `root` only the packages that are named in `words`, those that every Debian
 * has, and what these depend on or recommend, whatever may provide it. Returns the names of the others.
 */
export function shortenPackageLists(root: string, words: Iterable<string>): string[] {
  const lists = listsIn(root);
  const packages = new Map<string, Listed[]>();
  const providers = new Map<string, string[]>();
  for (const list of lists)
    for (const text of readFileSync(list, "utf8").split(/\n\n+/)) {
      const [, name] = /^Package: (.*)/m.exec(text) ?? [];
      if (name === undefined) continue;
      packages.set(name, [...(packages.get(name) ?? []), { list, text }]);
      for (const provided of namesIn(/^Provides: (.*)/m.exec(text)?.[1] ?? ""))
        providers.set(provided, [...(providers.get(provided) ?? []), name]);
    }
  const kept = new Map<string, readonly Listed[]>();
  const left = [...words, ...everywhere(packages)];
  for (let name = left.pop(); name !== undefined; name = left.pop()) {
    const listed = packages.get(name);
    if (listed === undefined || kept.has(name)) continue;
    kept.set(name, listed);
    for (const needed of listed.flatMap(neededBy)) left.push(needed, ...(providers.get(needed) ?? []));
  }
  const texts = [...kept.values()].flat();
  for (const file of lists) {
    const own = texts.filter(({ list }) => list === file);
    writeFileSync(file, own.map(({ text }) => `${text.trim()}\n\n`).join(""));
  }
  return [...packages.keys()].filter((name) => !kept.has(name));
}

const everywhere = (packages: ReadonlyMap<string, readonly Listed[]>): string[] =>
  [...packages]
    .filter(([, listed]) =>
      listed.some(({ text }) => /^(Essential: yes|Priority: (required|important|standard))$/m.test(text)),
    )
    .map(([name]) => name);

const neededBy = ({ text }: Listed): string[] =>
  [...text.matchAll(/^(?:Pre-Depends|Depends|Recommends): (.*)/gm)].flatMap(([, needed = ""]) =>
    namesIn(needed),
  );

/** The names in a field such as `a (>= 1), b | c:any`. */
const namesIn = (field: string): string[] =>
  field.split(/[,|]/).flatMap((each) => /[a-z0-9][a-z0-9+.-]+/.exec(each)?.[0] ?? []);
