/** Checks of new content before it is put in place. */
import { posix } from "node:path";
import {
  AbortedChange,
  type Change,
  type PlanModel,
  type PosixTarget,
  schema,
  shellQuote,
  shellWords,
} from "consfigurator";
import { nameOf } from "./_paths";

const { either, list, string } = schema;

/** A command that accepts a file or refuses it: shell text or a list of words, with `%s` for the path of the file. */
export type Checker = string | readonly string[];

export const checker = (): schema.Schema<Checker> => ({
  ...either(
    string({ pattern: PLACE, minLength: PLACE.length + 1 }),
    list(string(), { contains: { pattern: PLACE }, minItems: 2 }),
  ),
  description: 'a command with %s in place of the file to check, such as "nginx -t -c %s"',
});

const PLACE = "%s";

/** Options for writing `path`: content that `validate`, or the checker for such files, does not accept is refused. */
export function checking(
  target: PosixTarget,
  path: string,
  validate?: Checker,
): { validate?: (content: Buffer) => Promise<void> } {
  const own = ownCheckerOf(path);
  if (validate === undefined && !own) return {};
  return {
    validate: async (content) => {
      const found = await own?.(target);
      const checkers = [validate, found].filter((each) => each !== undefined);
      if (checkers.length === 0) return;
      await target.withTemporaryDirectory(async (directory) => {
        // Some checkers look at the name, such as systemd-analyze.
        const draft = `${directory}/${nameOf(path).replace(/[^\w.@-]/g, "_")}`;
        await target.writeFile(draft, content, { mode: 0o600 });
        for (const each of checkers) await check(target, each, draft, path, content);
      });
    },
  };
}

/** Replaces the lines of `path` by the result of `edit`, unless the checker for such files does not accept it. */
export const edited = (
  target: PosixTarget,
  path: string,
  edit: (lines: readonly string[]) => readonly string[],
): Promise<Change> => target.editLines(path, edit, checking(target, path));

/** Refuses the file `source`, if it exists, when the checker for files such as `path` does not accept it. */
export async function checkSource(target: PosixTarget, path: string, source: string): Promise<void> {
  const own = ownCheckerOf(path);
  if (!own || (await target.stat(source))?.type !== "file") return;
  const found = await own(target);
  if (found !== undefined) await check(target, found, source, path);
}

/**
 * `content`: that of a draft, which a plan does not write. A checker that reads its standard input is asked nevertheless, and
 * any other may refuse later.
 */
async function check(
  target: PosixTarget,
  checker: Checker,
  file: string,
  path: string,
  content?: Buffer,
): Promise<void> {
  const options = { mayFail: true, excerpt: true };
  const predict = (model: PlanModel) => {
    const onInput = typeof checker === "string" ? undefined : withInput.get(checker);
    if (onInput) return model.query(onInput, { ...options, input: content ?? "", about: {} });
    model.mayFail();
    return undefined;
  };
  const { exit, stdout, stderr } = content
    ? await target.run(commandOn(checker, file), { ...options, predict })
    : await target.query(commandOn(checker, file), { ...options, about: { paths: [file] } });
  if (exit === 0) return;
  const shown = typeof checker === "string" ? checker : shellWords(checker);
  const words =
    [stderr, stdout]
      .map((text) => text.trim())
      .filter(Boolean)
      .join("\n") || `exit code ${exit}`;
  const said = beginning(words.replaceAll(file, () => path).replaceAll(/\bstdin\b/g, () => path));
  throw new AbortedChange(
    exit === CANNOT_RUN || exit === NOT_FOUND
      ? `\`${shown}\` cannot check the new content of ${path}, so it was not written; install the checker first:\n${said}`
      : `\`${shown}\` refuses the new content of ${path}, so it was not written; correct it:\n${said}`,
  );
}

/** The commands of checkers that read their standard input. */
const withInput = new WeakMap<object, readonly string[]>();

const commandOn = (checker: Checker, file: string): string =>
  typeof checker === "string"
    ? checker.replaceAll(PLACE, () => shellQuote(file))
    : shellWords(checker.map((word) => word.replaceAll(PLACE, () => file)));

/** The exit codes of a shell for a command that it cannot start, and for one that it does not find. */
const CANNOT_RUN = 126;
const NOT_FOUND = 127;

/** The first lines of what a checker prints. */
function beginning(words: string): string {
  const lines = words.split(/\r*\n/);
  return [...lines.slice(0, MOST_LINES), ...(lines.length > MOST_LINES ? ["…"] : [])].join("\n");
}

const MOST_LINES = 12;

/** The checkers that are used unasked where they are installed: of files that lock everybody out when they are invalid. */
const ownCheckers: readonly { readonly files: RegExp; readonly find: FindChecker }[] = [
  {
    // sudo passes over names with a dot, or with ~ at the end.
    files: /^\/(?:usr\/local\/)?etc\/(?:sudoers|sudoers\.d\/[^/.]*[^/.~])$/,
    find: async (target) => {
      const places = ["visudo", "/usr/sbin/visudo", "/usr/local/sbin/visudo"];
      const found = await Promise.all(places.map((place) => target.hasCommand(place)));
      const visudo = places[found.indexOf(true)];
      if (visudo === undefined) return undefined;
      const command = [visudo, "-cf", PLACE];
      withInput.set(command, [visudo, "-cf", "-"]);
      return command;
    },
  },
];

/** Resolves to undefined where the checker is not installed. */
type FindChecker = (target: PosixTarget) => Promise<Checker | undefined>;

const ownCheckerOf = (path: string): FindChecker | undefined =>
  ownCheckers.find(({ files }) => files.test(posix.normalize(path)))?.find;
