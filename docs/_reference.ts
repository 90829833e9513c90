import path from "node:path";
import * as library from "../lib/index";
import { properties } from "../lib/model/property";
import type { Schema } from "../lib/model/schema";
import { root } from "../lib/util/package.js";
import * as nouns from "../properties";
import { factsOf } from "../repl/docs";
import { Api, type Item } from "./_api";
import { argumentsTable } from "./_arguments";
import { equivalentsPage } from "./_equivalentsPage";

/** The pages of docs/reference by name, generated from the doc comments, types and schemas of the public API. */
export function reference(): Map<string, string> {
  const api = new Api(["lib/index.ts", "properties/index.ts"]);
  const pages = [
    ...Object.keys(nouns)
      .sort()
      .map((noun) => nounPage(noun, api)),
    combinatorsPage(api),
    hopsPage(api),
    tablesPage(api),
    schemaPage(api),
    libraryPage(api),
  ];
  const texts = pages.map((page): [string, string] => [`${page.name}.md`, textOf(page, api)]);
  return new Map([["README.md", indexOf(pages)], ["equivalents.md", equivalentsPage(GENERATED)], ...texts]);
}

interface Page {
  /** File name without the extension. */
  readonly name: string;
  readonly title: string;
  readonly prose: string;
  readonly entries: readonly Entry[];
}

interface Entry {
  /** The name used in a consfig: `apt.installed`. */
  readonly name: string;
  readonly item: Item;
  /** For properties and hops. */
  readonly args?: Schema<unknown>;
  readonly facts?: readonly string[];
}

const LIBRARY = "lib/index.ts";

function nounPage(noun: string, api: Api): Page {
  const entries = api
    .members("properties/index.ts", noun)
    .filter(({ name, text }) => !name.startsWith("_") && text)
    .map((item) => entryOf(`${noun}.${item.name}`, item));
  const withArguments = entries.filter(({ args }) => args);
  return {
    name: noun,
    title: `\`${noun}\``,
    prose: `\`import { ${noun} } from "consfigurator/properties"\``,
    entries: [...withArguments, ...entries.filter(({ args }) => !args)],
  };
}

function combinatorsPage(api: Api): Page {
  return {
    name: "combinators",
    title: "Combinators",
    prose:
      "Properties whose arguments are properties, all from `consfigurator`. How to use them: [combinators](../combinators.md).",
    entries: exported(api).filter(({ args }) => args),
  };
}

function hopsPage(api: Api): Page {
  const definitions = require("../lib/model/hop") as typeof import("../lib/model/hop");
  const entries = api.members(LIBRARY, "via").map((item): Entry => {
    const definition = definitions.hops.get(item.name);
    return { name: `via.${item.name}`, item, ...(definition && { args: definition.args }) };
  });
  return {
    name: "hops",
    title: "Hops",
    prose:
      '`import { via } from "consfigurator"`. A connection is a list of hops, each opened inside the one before. How to use them: [hops](../hops.md).',
    entries,
  };
}

function tablesPage(api: Api): Page {
  return {
    name: "tables",
    title: "Tables",
    prose:
      "What a host can be asked: `on(web1).ports()`. The columns are in the type of each. How to use them: [exploring hosts](../explore.md).",
    entries: api
      .members(LIBRARY, "tables")
      .filter(({ text }) => text)
      .map((item) => {
        const { facts: _ofProperties, ...entry } = entryOf(`tables.${item.name}`, item);
        return entry;
      }),
  };
}

function schemaPage(api: Api): Page {
  const items = api.members(LIBRARY, "schema").filter(({ text, kind }) => text || kind === "function");
  return {
    name: "schema",
    title: "`schema`",
    prose:
      '`import { schema } from "consfigurator"`. Describes the arguments of a property. The type, the check, the error messages and the reference all come from this description.',
    entries: items
      .filter(({ name }) => !INTERNAL.has(name))
      .map((item) => ({ name: `schema.${item.name}`, item })),
  };
}

/** Exports of schema that only the engine uses. */
const INTERNAL = new Set(["mapApplications", "applicationsIn", "problems", "warm", "Infer"]);

function libraryPage(api: Api): Page {
  return {
    name: "library",
    title: "`consfigurator`",
    prose:
      'Everything else that a consfig can import from `"consfigurator"`: functions that define hosts, properties and hops, deployments and their reports, errors, and all types.',
    entries: exported(api).filter(({ args, item }) => !args && item.kind !== "namespace"),
  };
}

const exported = (api: Api): Entry[] => api.members(LIBRARY).map((item) => entryOf(item.name, item));

function entryOf(name: string, item: Item): Entry {
  const value = Object.hasOwn(library, name) || name.includes(".") ? properties.get(name) : undefined;
  if (!value) return { name, item };
  return {
    name,
    item,
    args: value.definition.args,
    facts: [`kind \`${value.definition.kind}\``, ...factsOf(value.definition)],
  };
}

const GENERATED = "<!-- Generated from doc comments by `npm run docs`. Edit those. -->";

function textOf(page: Page, api: Api): string {
  const { title, prose, entries } = page;
  const list = entries.map((entry) => `- [\`${entry.name}\`](#${anchor(entry, page)})${summary(entry)}`);
  const types = api.typesNamedIn(entries.map(({ item }) => item));
  const parts = [
    `# ${title}`,
    GENERATED,
    prose,
    list.join("\n"),
    ...entries.map((entry) => entryText(entry)),
    ...(types.length > 0
      ? [`## Types used on this page`, ...types.map((type) => code(type, "ts declaration"))]
      : []),
  ];
  return `${parts.join("\n\n")}\n`;
}

function entryText({ name, item, args, facts }: Entry): string {
  const table = args && argumentsTable(args);
  return [
    `## ${name}`,
    code(usage(name, item, args), "ts declaration"),
    ...(item.text ? [item.text] : []),
    ...(table ? [table] : []),
    ...item.examples.map((example) => code(example, "ts")),
    ...(facts ? [facts.map((fact) => `- ${fact}`).join("\n")] : []),
    `Defined in [${item.file}](../../${item.file}).`,
  ].join("\n\n");
}

/** Each overload on its own line. A rest parameter has the name of the list it becomes. */
function usage(name: string, { kind, signatures }: Item, args?: Schema<unknown>): string {
  if (kind === "type" || signatures.length === 0) return signatures[0] ?? name;
  const fields = Object.entries((args?.["properties"] ?? {}) as Record<string, Schema<unknown>>);
  const lists = fields.filter(([, { type }]) => type === "array").map(([field]) => field);
  const rest = lists.length === 1 ? `...${lists[0]}:` : "...params:";
  return signatures.map((signature) => `${name}${signature.replace("...params:", rest)}`).join("\n");
}

const code = (text: string, info: string): string => `\`\`\`${info}\n${text}\n\`\`\``;

/** The anchor that GitHub generates for the heading: names that differ only in case get a number. */
function anchor(entry: Entry, { entries }: Page): string {
  const same = entries.filter(({ name }) => slug(name) === slug(entry.name)).indexOf(entry);
  return same > 0 ? `${slug(entry.name)}-${same}` : slug(entry.name);
}

const slug = (name: string): string => name.toLowerCase().replaceAll(/[^\w-]/g, "");

const summary = ({ item: { text } }: Entry): string => {
  const first = /^[\s\S]*?(?:[.:](?=\s|$)|$)/.exec(text.split("\n\n")[0] ?? "")?.[0] ?? "";
  return first ? `: ${first.replaceAll("\n", " ").replace(/:$/, ".")}` : "";
};

function indexOf(pages: readonly Page[]): string {
  const isNoun = ({ name }: Page) => Object.hasOwn(nouns, name);
  const count = ({ entries }: Page) => entries.filter(({ args }) => args).length;
  const total = pages.filter(isNoun).reduce((sum, page) => sum + count(page), 0);
  const item = (page: Page) =>
    `- [${page.title}](${page.name}.md): ${page.entries.map(linkTo(page)).join(", ")}`;
  return `${[
    "# Reference",
    GENERATED,
    "At the prompt, `.doc apt.installed` shows the entry of one name, also of your own properties. [What is the property for …](equivalents.md) " +
      "finds the one for what Ansible, pyinfra, Consfigurator or Propellor do.",
    `## Properties\n\n${total} properties in ${pages.filter(isNoun).length} nouns.`,
    pages.filter(isNoun).map(item).join("\n"),
    "## Everything else",
    pages
      .filter((page) => !isNoun(page))
      .map(item)
      .join("\n"),
  ].join("\n\n")}\n`;
}

const linkTo =
  (page: Page) =>
  (entry: Entry): string =>
    `[${entry.name.split(".").at(-1)}](${page.name}.md#${anchor(entry, page)})`;

export const directory = path.join(root, "docs/reference");
