import { properties, publicProperties } from "../lib/model/property";
import { type Equivalent, families } from "./_equivalents";

/** docs/reference/equivalents.md, from the rows of `_equivalents.ts` and the properties that there are. */
export function equivalentsPage(generated: string): string {
  return `${[
    "# What is the property for …",
    generated.replace("doc comments", "docs/_equivalents.ts"),
    "What modules of Ansible, operations of pyinfra, and properties of Consfigurator and Propellor do, and what does it here. A module " +
      "without a collection is one of ansible.builtin. Where there is nothing, the last column says what to do instead.",
    ...families.flatMap(({ title, rows }) => [`## ${title}`, table(rows)]),
    "## Further properties",
    "What none of the rows above names:",
    others()
      .map(
        ([noun, names]) => `- \`${noun}\`: ${names.map((name) => link(`${noun}.${name}`, name)).join(", ")}`,
      )
      .join("\n"),
  ].join("\n\n")}\n`;
}

const HEAD = ["for", "Ansible", "pyinfra", "Consfigurator", "Propellor", "here"];

const table = (rows: readonly Equivalent[]): string =>
  [HEAD, HEAD.map(() => "---"), ...rows.map(cells)].map((row) => `| ${row.join(" | ")} |`).join("\n");

const cells = ({ purpose, ansible, pyinfra, consfigurator, propellor, here, note }: Equivalent): string[] => [
  purpose,
  ...[ansible, pyinfra, consfigurator, propellor].map((each) => code(each)),
  [here.length > 0 ? here.map((name) => link(name, name)).join(", ") : "none", note]
    .filter(Boolean)
    .join("; "),
];

const code = (names: string | undefined): string =>
  names
    ?.split(", ")
    .map((name) => `\`${name}\``)
    .join(", ") ?? "–";

/** A link to the entry of `name` in the reference. */
function link(name: string, shown: string): string {
  const [noun, own] = name.split(".");
  const page =
    own === undefined ? (properties.get(name) ? "combinators" : "library") : noun === "via" ? "hops" : noun;
  return `[${shown}](${page}.md#${name.toLowerCase().replaceAll(/[^\w-]/g, "")})`;
}

/** The properties of each noun that no row names. */
function others(): [noun: string, names: string[]][] {
  const named = new Set(families.flatMap(({ rows }) => rows.flatMap(({ here }) => here)));
  const nouns = new Map<string, string[]>();
  for (const name of publicProperties().sort()) {
    const [noun = "", own] = name.split(".");
    if (own === undefined || named.has(name)) continue;
    nouns.set(noun, [...(nouns.get(noun) ?? []), own]);
  }
  return [...nouns];
}
