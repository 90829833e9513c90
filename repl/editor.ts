import { accessSync, constants } from "node:fs";
import path from "node:path";
import type { Consfig } from "../lib/source/consfig";

/** A position in a file, to open in an editor. */
export interface EditorPosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/**
 * The position of `site` in a source file of the consfig. Undefined for the prompt, standard input and the engine, and for
 * any other file: a host may have named it.
 */
export function positionOf(
  site: string,
  consfig: Pick<Consfig, "root" | "isSource">,
): EditorPosition | undefined {
  const [, file, line, column] = /^(.*):(\d+):(\d+)$/.exec(site) ?? [];
  if (file === undefined || /^(prompt|stdin)\b/.test(file) || file.startsWith("consfigurator/"))
    return undefined;
  const absolute = path.resolve(consfig.root, file);
  if (!consfig.isSource(absolute)) return undefined;
  return { file: absolute, line: Number(line), column: Number(column) };
}

/**
 * The command that opens `position` in the user's editor: $VISUAL, $EDITOR or a common one; undefined if there is none.
 */
export function editorAt(
  position: EditorPosition,
  env = process.env,
): [program: string, ...args: string[]] | undefined {
  const command =
    env["VISUAL"] || env["EDITOR"] || ["editor", "nano", "vim", "vi"].find((name) => isOnPath(name, env));
  const [program, ...args] = command?.trim().split(/\s+/) ?? [];
  return program === undefined
    ? undefined
    : [program, ...args, ...positionArgs(path.basename(program), position)];
}

/** The arguments with which each editor opens a line: most accept vi's `+LINE`. */
function positionArgs(editor: string, { file, line, column }: EditorPosition): string[] {
  if (/^(code|codium|code-insiders|cursor)$/.test(editor))
    return ["--wait", "--goto", `${file}:${line}:${column}`];
  if (/^(subl|zed|hx|helix|kak)$/.test(editor)) return [`${file}:${line}:${column}`];
  if (/^(emacs|emacsclient)$/.test(editor)) return [`+${line}:${column}`, file];
  if (/^(nano|micro)$/.test(editor)) return [`+${line},${column}`, file];
  return [`+${line}`, file];
}

const isOnPath = (name: string, env: NodeJS.ProcessEnv): boolean =>
  (env["PATH"] ?? "").split(":").some((directory) => {
    try {
      accessSync(path.join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
