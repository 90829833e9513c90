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

/**
 * Replaces the lines of `path` by the result of `edit`, unless `validate`, or the checker for such files, does not accept it.
 */
export const edited = (
  target: PosixTarget,
  path: string,
  edit: (lines: readonly string[]) => readonly string[],
  validate?: Checker,
): Promise<Change> => target.editLines(path, edit, checking(target, path, validate));

/** Refuses the file `source`, if it exists, when the checker for files such as `path` does not accept it. */
export async function checkSource(target: PosixTarget, path: string, source: string): Promise<void> {
  const own = ownCheckerOf(path);
  if (!own || (await target.stat(source))?.type !== "file") return;
  const found = await own(target);
  if (found !== undefined) await check(target, found, source, path);
}

/**
 * `content`: that of a draft, which a plan does not write. A checker that reads its standard input is asked nevertheless, and
 * any other may refuse later. `written`: the file that is to be written, where that is another one than what is checked.
 */
export async function check(
  target: PosixTarget,
  checker: Checker,
  file: string,
  path: string,
  content?: Buffer,
  written = path,
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
  if (exit === 0 || (typeof checker === "object" && isOther.get(checker)?.test(stderr))) return;
  const shown = typeof checker === "string" ? checker : shellWords(checker);
  const words = [stderr, stdout].map((text) => text.trim()).filter(Boolean);
  const said = words
    .join("\n")
    .replaceAll(file, () => path)
    .replaceAll(/\bstdin\b/g, () => path);
  throw refusal(shown, written, said || `exit code ${exit}`, exit);
}

/** That the checker `shown` does not accept what was to be written to `written`: it has `said` why. */
export function refusal(shown: string, written: string, said: string, exit = 1): AbortedChange {
  const words = beginning(said);
  return new AbortedChange(
    exit === CANNOT_RUN || exit === NOT_FOUND
      ? `\`${shown}\` cannot check the new content of ${written}, so it was not written; install the checker first:\n${words}`
      : `\`${shown}\` refuses the new content of ${written}, so it was not written; correct it:\n${words}`,
  );
}

/** What checkers complain of, after everything else, though the file is right. */
const isOther = new WeakMap<object, RegExp>();

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
      const visudo = await installed(target, "visudo");
      if (visudo === undefined) return undefined;
      const command = [visudo, "-cf", PLACE];
      withInput.set(command, [visudo, "-cf", "-"]);
      return command;
    },
  },
  {
    files: /^\/etc\/ssh\/sshd_config(\.d\/[^/]*\.conf)?$/,
    find: async (target) => {
      // Only root can read the host keys, and sshd wants to be called by its whole path.
      const [sshd, { uid }] = await Promise.all([
        installed(target, "sshd", ["/usr/sbin/"]),
        target.identity(),
      ]);
      if (sshd === undefined || uid !== 0) return undefined;
      const command = [sshd, "-t", "-f", PLACE];
      // Its last question of all, about a directory that is made when the service starts.
      isOther.set(command, /^Missing privilege separation directory/m);
      return command;
    },
  },
];

/** The first of `places` where `name` is. */
async function installed(
  target: PosixTarget,
  name: string,
  places: readonly string[] = ["", "/usr/sbin/", "/usr/local/sbin/"],
): Promise<string | undefined> {
  const found = await Promise.all(places.map((place) => target.hasCommand(place + name)));
  const at = found.indexOf(true);
  return at < 0 ? undefined : places[at] + name;
}

/** Resolves to undefined where the checker is not installed. */
type FindChecker = (target: PosixTarget) => Promise<Checker | undefined>;

const ownCheckerOf = (path: string): FindChecker | undefined =>
  ownCheckers.find(({ files }) => files.test(posix.normalize(path)))?.find;
