import { publicProperties } from "../../lib/model/property";
import { colour } from "../_colour";
import { columns, cut, wrapped } from "../_layout";
import { docOf } from "../docs";
import type { Command } from "./command";

export const props: Command = {
  name: "props",
  parameters: "[NOUN]",
  summary: "list properties; NOUN: describe those of one noun",
  completions: () => [...new Set(publicProperties().map(nounOf))],
  run: (noun, { shell }) => {
    const names = publicProperties();
    const wanted = noun.replace(/\.$/, "");
    const chosen = wanted ? names.filter((name) => nounOf(name) === wanted) : [];
    if (wanted && chosen.length === 0) {
      const nouns = [...new Set(names.map(nounOf))].join(", ");
      shell.print(`there are no properties of "${wanted}"; the nouns are ${nouns}`);
    } else if (wanted) shell.print(withDocs(chosen, shell.workspace.consfig.root));
    else shell.print(byNoun(names));
  },
};

const nounOf = (name: string): string => name.split(".")[0] ?? name;

/** Each of `names` with the first sentence of its documentation. */
export function withDocs(names: readonly string[], root: string): string {
  const width = Math.max(...names.map((name) => name.length));
  return names
    .map((name) =>
      `${colour.cyan(name.padEnd(width))}  ${cut(docOf(name, root)?.summary ?? "", columns() - width - 3)}`.trimEnd(),
    )
    .join("\n");
}

function byNoun(names: readonly string[]): string {
  return [...Map.groupBy(names, nounOf)]
    .map(([noun, all]) => {
      const own = all.map((name) => name.slice(noun.length + 1)).filter(Boolean);
      if (own.length === 0) return colour.cyan(noun);
      return wrapped(`${noun}: ${own.join(", ")}`, "")
        .replace(noun, colour.cyan(noun))
        .replaceAll("\n", "\n  ");
    })
    .join("\n");
}
