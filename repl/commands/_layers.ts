import type { LayerChange } from "../../lib/connection/clone-layers";
import { countedChanges, fileChanges } from "../../lib/controller/layer-changes";
import type { Connection } from "../../lib/model/connection";
import { cleanLine } from "../../lib/util/clean-text";
import { colour } from "../_colour";
import { changeLines } from "../views/_changes";
import { countedLines } from "../views/_rehearsal";

/** `changes` of the clone that is seen through `outside`, with diffs. `files`: the command that lists all. */
export async function diffText(
  outside: Connection,
  changes: readonly LayerChange[],
  files: string,
): Promise<string> {
  const { shown, counted } = countedChanges(changes);
  return [
    ...changeLines(await fileChanges(outside, shown), "", false, ""),
    ...countedLines(counted, "", `; ${files} lists all`),
  ].join("\n");
}

/** `changes`, one a line, without contents. */
export const filesText = (changes: readonly LayerChange[]): string => changes.map(changeLine).join("\n");

function changeLine({ path, before, after }: LayerChange): string {
  const sign = before ? (after ? colour.yellow("~") : colour.red("-")) : colour.green("+");
  return `${sign} ${cleanLine(path)}`;
}
