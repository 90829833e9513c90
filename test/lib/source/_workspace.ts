/** Consfigs in temporary directories, with real files. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { type Consfig, openConsfig } from "../../../lib/source/consfig";

export interface Workspace {
  readonly root: string;
  readonly consfig: Consfig;
  /** Writes files, by their names relative to the root. */
  write(files: Readonly<Record<string, string>>): void;
  remove(file: string): void;
  /** Opens the consfig again, as after a restart. */
  reopened(): Consfig;
}

/** A consfig with `files`, removed after the test. Its built-in properties are those in `builtin/`. */
export function workspace(t: TestContext, files: Readonly<Record<string, string>>): Workspace {
  const root = realpathSync(mkdtempSync(path.join(tmpdir(), "consfig-test-")));
  const write: Workspace["write"] = (written) => {
    for (const [name, text] of Object.entries(written)) {
      mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
      writeFileSync(path.join(root, name), text);
    }
  };
  write(files);
  const opened: Consfig[] = [];
  const open = (): Consfig => {
    for (const previous of opened) previous.close();
    const consfig = openConsfig(root, path.join(root, "builtin"));
    opened.push(consfig);
    return consfig;
  };
  t.after(() => {
    for (const consfig of opened) consfig.close();
    rmSync(root, { recursive: true, force: true });
  });
  return { root, consfig: open(), write, remove: (file) => rmSync(path.join(root, file)), reopened: open };
}

/** A file that defines and exports the property `name`, with the description `answer`. */
export const propertyFile = (
  name: string,
  answer = "unchanged",
): string => `import { defprop, schema } from "consfigurator";

export const ${name.split(".").at(-1)} = defprop({
  name: "${name}",
  kind: "posix",
  args: schema.object({}),
  desc: () => "${answer}",
  apply: async () => "unchanged",
});
`;
