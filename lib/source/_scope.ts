import path from "node:path";
import type { ModuleGraph } from "./_graph";

/** The names in scope at the prompt, and notices about those that clash. */
export interface Scope {
  readonly names: Readonly<Record<string, unknown>>;
  readonly notices: readonly string[];
}

interface Named {
  readonly name: string;
  readonly value: unknown;
  readonly file: string;
}

/** Every export of a hosts file by its name, every properties file by its noun. Clashing names get a notice. */
export function scopeOf(graph: ModuleGraph): Scope {
  const hostFiles = graph.roots.filter((file) => isCode(file) && isHosts(graph.root, file));
  const propertyFiles = graph.roots.filter((file) => isCode(file) && !isHosts(graph.root, file));
  const nouns = propertyNouns(propertyFiles, graph);
  const hosts = hostNames(hostFiles, new Set(Object.keys(nouns.names)), graph);
  return { names: { ...hosts.names, ...nouns.names }, notices: [...nouns.notices, ...hosts.notices] };
}

const isCode = (file: string): boolean => !file.endsWith(".json");
const isHosts = (root: string, file: string): boolean => file.startsWith(path.join(root, "hosts") + path.sep);

/** `properties/cool-web.ts` is `coolWeb`. */
export const nounOf = (file: string): string =>
  path
    .basename(file)
    .replace(/\.(tsx?|js)$/, "")
    .replaceAll(/[^\p{ID_Continue}$]+(.)?/gu, (_, letter: string | undefined) =>
      (letter ?? "").toUpperCase(),
    );

/** Files with the same noun are merged: a consfig adds to the built-in `file`, it does not hide it. */
function propertyNouns(files: readonly string[], graph: ModuleGraph): Scope {
  const groups = Map.groupBy(
    files.filter((file) => nounOf(file) !== "index"),
    nounOf,
  );
  const names: Record<string, unknown> = {};
  const notices: string[] = [];
  for (const [noun, group] of groups) {
    const [own, builtin] = [
      group.filter((file) => isOwn(file, graph)),
      group.filter((file) => !isOwn(file, graph)),
    ];
    const all = [...builtin, ...own].flatMap((file) => exportsOf(file, graph));
    names[noun] =
      group.length === 1
        ? exportsObject(group[0], graph)
        : Object.fromEntries(all.map(({ name, value }) => [name, value]));
    for (const [name, twice] of repeated(all)) {
      const files = twice.map(({ file }) => graph.show(file)).join(" and ");
      notices.push(
        `${noun}.${name} is exported by ${files}; the prompt uses the one in ${graph.show(twice.at(-1)?.file ?? "")}`,
      );
    }
  }
  return { names, notices };
}

const isOwn = (file: string, graph: ModuleGraph): boolean => file.startsWith(graph.root + path.sep);

function hostNames(files: readonly string[], taken: ReadonlySet<string>, graph: ModuleGraph): Scope {
  const all = files.flatMap((file) => exportsOf(file, graph));
  const duplicates = repeated(all);
  const hidden = all.filter(({ name }) => duplicates.has(name) || taken.has(name));
  const names = Object.fromEntries(
    all.filter((one) => !hidden.includes(one)).map(({ name, value }) => [name, value]),
  );
  const notices: string[] = [];
  for (const [name, files] of Map.groupBy(hidden, ({ name }) => name)) {
    const alternatives = files.map(({ file }) => {
      const noun = freeNoun(
        nounOf(file),
        { ...names, ...Object.fromEntries([...taken].map((used) => [used, true])) },
        exportsObject(file, graph),
      );
      names[noun] = exportsObject(file, graph);
      return `${noun}.${name} (${graph.show(file)})`;
    });
    notices.push(
      alternatives.length > 1
        ? `${name} is exported by ${alternatives.length} files in hosts/: write ${alternatives.join(" or ")}`
        : `${name} is also the name of a properties file: write ${alternatives[0]} for the host`,
    );
  }
  return { names, notices };
}

/** `noun`, with "Hosts" appended when the name is taken. */
const freeNoun = (noun: string, names: Readonly<Record<string, unknown>>, value: unknown): string =>
  noun in names && names[noun] !== value ? freeNoun(`${noun}Hosts`, names, value) : noun;

const repeated = (all: readonly Named[]): Map<string, Named[]> =>
  new Map(
    [...Map.groupBy(all, ({ name }) => name)].filter(
      ([, same]) => new Set(same.map(({ value }) => value)).size > 1,
    ),
  );

const exportsObject = (file: string | undefined, graph: ModuleGraph): object =>
  (file && (graph.modules.get(file)?.module.exports as object | undefined)) || {};

const exportsOf = (file: string, graph: ModuleGraph): Named[] =>
  Object.entries(exportsObject(file, graph))
    .filter(([name]) => name !== "default" && name !== "__esModule")
    .map(([name, value]) => ({ name, value, file }));
