import { accessSync, constants } from "node:fs";
import path from "node:path";

/** A line of a file, to be shown in an editor. */
export interface EditorPosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** `site` as a place in the files of the consfig at `root`; undefined for what was typed at the prompt. */
export function placeOf(site: string, root: string): EditorPosition | undefined {
  const [, file, line, column] = /^(.*):(\d+):(\d+)$/.exec(site) ?? [];
  if (file === undefined || /^(prompt|stdin)\b/.test(file) || file.startsWith("consfigurator/"))
    return undefined;
  return { file: path.resolve(root, file), line: Number(line), column: Number(column) };
}

/** The person's editor ($VISUAL, $EDITOR, or one that is there) and what opens it at `place`; undefined: there is none. */
export function editorAt(
  place: EditorPosition,
  env = process.env,
): [program: string, ...args: string[]] | undefined {
  const said =
    env["VISUAL"] || env["EDITOR"] || ["editor", "nano", "vim", "vi"].find((name) => isThere(name, env));
  const [program, ...args] = said?.trim().split(/\s+/) ?? [];
  return program === undefined ? undefined : [program, ...args, ...atPlace(path.basename(program), place)];
}

/** How each editor is told a line: most take vi's `+LINE`. */
function atPlace(editor: string, { file, line, column }: EditorPosition): string[] {
  if (/^(code|codium|code-insiders|cursor)$/.test(editor))
    return ["--wait", "--goto", `${file}:${line}:${column}`];
  if (/^(subl|zed|hx|helix|kak)$/.test(editor)) return [`${file}:${line}:${column}`];
  if (/^(emacs|emacsclient)$/.test(editor)) return [`+${line}:${column}`, file];
  if (/^(nano|micro)$/.test(editor)) return [`+${line},${column}`, file];
  return [`+${line}`, file];
}

const isThere = (name: string, env: NodeJS.ProcessEnv): boolean =>
  (env["PATH"] ?? "").split(":").some((directory) => {
    try {
      accessSync(path.join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
