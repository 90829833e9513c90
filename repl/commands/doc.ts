import { properties } from "../../lib/model/property";
import { similar } from "../../lib/util/similar";
import { colour } from "../_colour";
import { fitted, wrapped } from "../_layout";
import { docOf, documentedNames } from "../docs";
import type { Command } from "./command";
import { CommandError } from "./error";
import { props } from "./props";

export const doc: Command = {
  name: "doc",
  parameters: "NAME",
  summary: "show the documentation of a property, hop or function",
  completions: () => [...properties.names().filter((name) => !/(^|\.)_/.test(name)), ...documentedNames()],
  run: (argument, context) => {
    const { shell } = context;
    const name = argument.replace(/\(.*$/s, "").trim();
    if (!name) throw new CommandError("usage: .doc NAME, such as .doc file.hasContent or .doc deploy");
    const found = docOf(name, shell.workspace.consfig.root);
    if (!found && properties.names().some((each) => each.startsWith(`${name.replace(/\.$/, "")}.`)))
      return props.run(name, context);
    if (!found) {
      const meant = similar([...properties.names(), ...documentedNames()], name, 4);
      const advice = meant.length > 0 ? `did you mean ${meant.join(" or ")}?` : "see .props";
      throw new CommandError(`no documentation for "${name}"; ${advice}`);
    }
    shell.print(
      [
        colour.bold(found.signature),
        ...found.types.flatMap((type) => fitted(type, "  ")).map((line) => colour.dim(line)),
        ...(found.text ? [wrapped(found.text, "  ")] : ["  (no doc comment)"]),
        ...found.facts.map((fact) => colour.dim(`  ${fact}`)),
        colour.dim(`  ${found.site}`),
      ].join("\n"),
    );
  },
};
