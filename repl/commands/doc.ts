import { properties, publicProperties } from "../../lib/model/property";
import { similar } from "../../lib/util/similar";
import { colour } from "../_colour";
import { fitted, wrapped } from "../_layout";
import { type Doc, docOf, documentedNames, searchDocs } from "../docs";
import type { Command } from "./command";
import { CommandError } from "./error";
import { props, withDocs } from "./props";

export const doc: Command = {
  name: "doc",
  parameters: "NAME",
  summary: "show the documentation of a property, hop or function; or what is about a word",
  completions: () => [...publicProperties(), ...documentedNames()],
  run: (argument, context) => {
    const { shell } = context;
    const name = argument.replace(/\(.*$/s, "").trim();
    if (!name) throw new CommandError("usage: .doc NAME, such as .doc file.hasContent or .doc deploy");
    const found = docOf(name, shell.workspace.consfig.root);
    if (!found && properties.names().some((each) => each.startsWith(`${name.replace(/\.$/, "")}.`)))
      return props.run(name, context);
    if (!found) {
      const meant = similar([...properties.names(), ...documentedNames()], name, 4);
      const about = meant.length > 0 ? [] : searchDocs(name, shell.workspace.consfig.root);
      if (about.length > 0)
        return shell.print(`about "${name}":\n${withDocs(about, shell.workspace.consfig.root)}`);
      const advice = meant.length > 0 ? `did you mean ${meant.join(" or ")}?` : "see .props";
      throw new CommandError(`no documentation for "${name}"; ${advice}`);
    }
    shell.print(docText(found));
  },
};

/** `doc` as it is printed. */
export const docText = (doc: Doc): string =>
  [
    ...fitted(doc.signature).map((line) => colour.bold(line)),
    ...doc.types.flatMap((type) => fitted(type, "  ")).map((line) => colour.dim(line)),
    ...(doc.text ? [wrapped(doc.text, "  ")] : ["  (no doc comment)"]),
    ...doc.facts.map((fact) => colour.dim(`  ${fact}`)),
    colour.dim(`  ${doc.site}`),
  ].join("\n");
