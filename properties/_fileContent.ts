import {
  type Change,
  defprop,
  InapplicableProperty,
  type PosixTarget,
  schema,
  withCreatedNoted,
  withCreatedRemoved,
} from "consfigurator";
import { content, fileLine, type Lines, wholeText } from "./_lines";
import { withoutOptions } from "./_pairs";
import { parentOf } from "./_paths";
import { type Checker, checker, checking, edited } from "./_validate";

const { list, mode, object, optional, path, string } = schema;

const contentArgs = object({
  path: path(),
  content: content(),
  mode: optional(mode()),
  validate: optional(checker()),
});
type ContentArgs = schema.Infer<typeof contentArgs>;

const callWithContent = (
  path: string,
  content: Lines,
  options: { mode?: number; validate?: string | readonly string[] } = {},
) => ({
  path,
  content,
  ...options,
});

const ensure = ({ path, content, mode, validate }: ContentArgs, target: PosixTarget): Promise<Change> =>
  target.ensureContent(path, wholeText(content), {
    ...(mode !== undefined && { mode }),
    ...checking(target, path, validate),
  });

/**
 * `path` has exactly `content`: a string, or a list of lines. Missing parent directories are created. The file gets the
 * permission bits `mode`; without it, it keeps its own, and a new file gets 0o644.
 *
 * Like everything that writes files here, it replaces the file in one step: a reader sees the old content or the new,
 * never a mixture. A symbolic link is followed to its file. A hard link is not: the other name keeps the old content,
 * as with rsync and Ansible; use `file.symlinked` where two names must remain one file.
 *
 * `validate` is a command that judges the new content before it is put in place, as in Ansible: shell text or a list of
 * words, with `%s` for the path of a file with that content and the same name, in a directory of its own. If it ends with
 * another exit code than 0, the file stays as it is. The other properties that edit lines and settings of a file take it,
 * too. Whatever a property of `file` writes to /etc/sudoers and below /etc/sudoers.d is judged by `visudo -cf`, and to
 * /etc/ssh/sshd_config and below /etc/ssh/sshd_config.d by `sshd -t`, where these are installed.
 *
 * @example file.hasContent("/etc/motd", ["Welcome.", "Be nice."])
 * @example file.hasContent("/etc/nginx/nginx.conf", "events {}", { validate: "nginx -t -c %s" })
 */
export const hasContent = defprop({
  name: "file.hasContent",
  kind: "posix",
  args: contentArgs,
  call: callWithContent,
  desc: ({ path }) => `content of ${path}`,
  apply: ensure,
});

/**
 * Like `file.hasContent`, for a file that only this property manages: unapplying it deletes the file, and the
 * directories that were created for it, when they are empty. Previous content is not restored.
 *
 * @example file.existsWithContent("/etc/cron.d/backup", "0 3 * * * root /usr/local/bin/backup", { mode: 0o600 })
 */
export const existsWithContent = defprop({
  name: "file.existsWithContent",
  kind: "posix",
  args: contentArgs,
  call: callWithContent,
  desc: ({ path }) => `content of ${path}`,
  apply: (args, target) => withCreatedNoted(target, parentOf(args.path), () => ensure(args, target)),
  unapply: ({ path }, target) => withCreatedRemoved(target, path, () => target.remove(path)),
});

const linesArgs = object({
  path: path(),
  lines: list(fileLine(), { minItems: 1 }),
  validate: optional(checker()),
});

/** Options of everything that edits a file. */
interface EditOptions {
  readonly validate?: Checker;
}

/** The options may come last. */
const callWithLines = (path: string, ...params: (Lines | EditOptions)[]) => {
  const [lines, options] = withoutOptions<EditOptions>([path, ...params]);
  return { path, lines: (lines.slice(1) as Lines[]).flat(), ...options };
};

/**
 * `path` contains each of `lines`, as a whole line. Missing lines are appended in order; the rest is left alone.
 * Missing parent directories are created. Unapplying it deletes these lines; where it had created the file, or directories,
 * they go when they are empty.
 *
 * @example file.containsLines("/etc/some.conf", "FOO=bar")
 */
export const containsLines = defprop({
  name: "file.containsLines",
  kind: "posix",
  args: linesArgs,
  call: callWithLines,
  desc: ({ path, lines }) => `${path} contains ${lines.join(", ")}`,
  apply: ({ path, lines, validate }, target) => {
    const added = (old: readonly string[]) => [...new Set(lines)].filter((line) => !old.includes(line));
    const edit = (old: readonly string[]) => [...old, ...added(old)];
    return withCreatedNoted(target, path, () => edited(target, path, edit, validate));
  },
  unapply: ({ path, lines, validate }, target) => {
    const edit = (old: readonly string[]) => old.filter((line) => !lines.includes(line));
    return withCreatedRemoved(target, path, () => edited(target, path, edit, validate));
  },
});

/**
 * `path` has none of `lines`, each compared with whole lines. The file need not exist.
 *
 * @example file.lacksLines("/etc/modules", "floppy")
 */
export const lacksLines = defprop({
  name: "file.lacksLines",
  kind: "posix",
  args: linesArgs,
  call: callWithLines,
  desc: ({ path, lines }) => `${path} lacks ${lines.join(", ")}`,
  apply: ({ path, lines, validate }, target) =>
    edited(target, path, (old) => old.filter((line) => !lines.includes(line)), validate),
});

/** A regular expression as data. */
interface Pattern {
  readonly source: string;
  readonly flags: string;
}

const pattern = (): schema.Schema<Pattern> =>
  object({
    source: string({ description: "a regular expression" }),
    flags: string({
      pattern: "^[imsuv]*$",
      description: "flags of a regular expression: any of i, m, s, u and v",
    }),
  });

const patternOf = (regex: string | RegExp): Pattern =>
  regex instanceof RegExp ? { source: regex.source, flags: regex.flags } : { source: regex, flags: "" };

const regexOf = ({ source, flags }: Pattern): RegExp => new RegExp(source, flags);

/** Refuses an invalid regular expression before connecting. */
function refuseBadPatterns(patterns: readonly Pattern[]): void {
  for (const each of patterns) {
    try {
      regexOf(each);
    } catch (error) {
      throw new InapplicableProperty(error instanceof Error ? error.message : String(error));
    }
  }
}

/**
 * `path` has no line in which any of `patterns` matches. Patterns are JavaScript regular expressions, as objects or as
 * strings. The file need not exist.
 *
 * @example file.lacksLinesMatching("/etc/hosts", /^127\.0\.1\.1\s/)
 */
export const lacksLinesMatching = defprop({
  name: "file.lacksLinesMatching",
  kind: "posix",
  args: object({
    path: path(),
    patterns: list(pattern(), { minItems: 1 }),
    validate: optional(checker()),
  }),
  call: (path: string, ...params: (string | RegExp | EditOptions)[]) => {
    const isPattern = (param: string | RegExp | EditOptions): param is string | RegExp =>
      typeof param !== "object" || param instanceof RegExp;
    const options = params.find((param) => !isPattern(param)) as EditOptions | undefined;
    return { path, patterns: (params as (string | RegExp)[]).filter(isPattern).map(patternOf), ...options };
  },
  desc: ({ path, patterns }) =>
    `${path} lacks lines matching ${patterns.map((each) => `/${each.source}/${each.flags}`).join(", ")}`,
  hostattrs: ({ patterns }) => refuseBadPatterns(patterns),
  apply: ({ path, patterns, validate }, target) => {
    const regexes = patterns.map(regexOf);
    const keeps = (line: string) => !regexes.some((regex) => regex.test(line));
    return edited(target, path, (old) => old.filter(keeps), validate);
  },
});

/**
 * In each line of `path`, the first match of `regex` is replaced by `replacement`, in which `$&`, `$1` and `$<name>`
 * work as in `String.replace`. `regex` must not match the result, or the file changes at each deployment. The file need
 * not exist.
 *
 * @example file.regexReplacedLines("/etc/ssh/sshd_config", /^#?PermitRootLogin .+/, "PermitRootLogin no")
 */
export const regexReplacedLines = defprop({
  name: "file.regexReplacedLines",
  kind: "posix",
  args: object({
    path: path(),
    regex: pattern(),
    replacement: fileLine(),
    validate: optional(checker()),
  }),
  call: (path: string, regex: string | RegExp, replacement: string, options: EditOptions = {}) => ({
    path,
    regex: patternOf(regex),
    replacement,
    ...options,
  }),
  desc: ({ path, regex, replacement }) =>
    `${path} has /${regex.source}/${regex.flags} replaced by ${replacement}`,
  hostattrs: ({ regex }) => refuseBadPatterns([regex]),
  apply: ({ path, regex, replacement, validate }, target) =>
    edited(target, path, (old) => old.map((line) => line.replace(regexOf(regex), replacement)), validate),
});
