import { defprop, InapplicableProperty, schema } from "consfigurator";
import { content, fileLine, type Lines, wholeText } from "./_lines";

const { list, mode, object, optional, path, string } = schema;

const contentArgs = object({ path: path(), content: content(), mode: optional(mode()) });
const callWithContent = (path: string, content: Lines, options: { mode?: number } = {}) => ({
  path,
  content,
  ...options,
});

/**
 * `path` has exactly `content`: a text, or its lines. Missing parent directories are made. The permission bits are
 * those of `mode`; without it those that the file had, 0o644 for a new one.
 *
 * As everything that writes files here, it replaces the file in one step: whoever reads sees the old content or the new,
 * whole. A symbolic link is followed to its file. A further name of the same file (a hard link) is not: it keeps the old
 * content, as with rsync and Ansible; say `file.symlinked` where two names must go on being one file.
 *
 * @example file.hasContent("/etc/motd", ["Welcome.", "Be nice."])
 */
export const hasContent = defprop({
  name: "file.hasContent",
  kind: "posix",
  args: contentArgs,
  call: callWithContent,
  desc: ({ path }) => `${path} has its content`,
  apply: ({ path, content, mode }, target) =>
    target.ensureContent(path, wholeText(content), mode === undefined ? {} : { mode }),
});

/**
 * As `file.hasContent`, for a file that is wholly ours: unapplied, it is deleted. What it had before is not restored.
 *
 * @example file.existsWithContent("/etc/cron.d/backup", "0 3 * * * root /usr/local/bin/backup", { mode: 0o600 })
 */
export const existsWithContent = defprop({
  name: "file.existsWithContent",
  kind: "posix",
  args: contentArgs,
  call: callWithContent,
  desc: ({ path }) => `${path} exists with its content`,
  apply: ({ path, content, mode }, target) =>
    target.ensureContent(path, wholeText(content), mode === undefined ? {} : { mode }),
  unapply: ({ path }, target) => target.remove(path),
});

const linesArgs = object({ path: path(), lines: list(fileLine(), { minItems: 1 }) });
const callWithLines = (path: string, ...lines: Lines[]) => ({ path, lines: lines.flat() });

/**
 * `path` contains each of `lines`, as a whole line. Missing ones go to the end, in their order; the rest is left alone.
 * Missing parent directories are made. Unapplied, these lines are deleted.
 *
 * @example file.containsLines("/etc/some.conf", "FOO=bar")
 */
export const containsLines = defprop({
  name: "file.containsLines",
  kind: "posix",
  args: linesArgs,
  call: callWithLines,
  desc: ({ path, lines }) => `${path} contains ${lines.join(", ")}`,
  apply: ({ path, lines }, target) =>
    target.editLines(path, (old) => [...old, ...[...new Set(lines)].filter((line) => !old.includes(line))]),
  unapply: ({ path, lines }, target) =>
    target.editLines(path, (old) => old.filter((line) => !lines.includes(line))),
});

/**
 * `path` has none of `lines`, each compared with whole lines. There may be no such file.
 *
 * @example file.lacksLines("/etc/modules", "floppy")
 */
export const lacksLines = defprop({
  name: "file.lacksLines",
  kind: "posix",
  args: linesArgs,
  call: callWithLines,
  desc: ({ path, lines }) => `${path} lacks ${lines.join(", ")}`,
  apply: ({ path, lines }, target) =>
    target.editLines(path, (old) => old.filter((line) => !lines.includes(line))),
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
      description: "flags of a regular expression, of i, m, s, u and v",
    }),
  });

const patternOf = (said: string | RegExp): Pattern =>
  said instanceof RegExp ? { source: said.source, flags: said.flags } : { source: said, flags: "" };

const regexOf = ({ source, flags }: Pattern): RegExp => new RegExp(source, flags);

/** Refuses what is no regular expression, before anybody is connected to. */
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
 * `path` has no line in which one of `patterns` matches, anywhere in it. Patterns are regular expressions of JavaScript,
 * as such or as text. There may be no such file.
 *
 * @example file.lacksLinesMatching("/etc/hosts", /^127\.0\.1\.1\s/)
 */
export const lacksLinesMatching = defprop({
  name: "file.lacksLinesMatching",
  kind: "posix",
  args: object({ path: path(), patterns: list(pattern(), { minItems: 1 }) }),
  call: (path: string, ...patterns: (string | RegExp)[]) => ({ path, patterns: patterns.map(patternOf) }),
  desc: ({ path, patterns }) =>
    `${path} lacks lines matching ${patterns.map((each) => `/${each.source}/${each.flags}`).join(", ")}`,
  hostattrs: ({ patterns }) => refuseBadPatterns(patterns),
  apply: ({ path, patterns }, target) => {
    const regexes = patterns.map(regexOf);
    return target.editLines(path, (old) => old.filter((line) => !regexes.some((regex) => regex.test(line))));
  },
});

/**
 * In each line of `path` the first match of `regex` is replaced by `replacement`, in which `$&`, `$1` and `$<name>` mean
 * what they mean to `String.replace`. Let `regex` not match what it leaves behind: otherwise it changes the file at
 * each deployment. There may be no such file.
 *
 * @example file.regexReplacedLines("/etc/ssh/sshd_config", /^#?PermitRootLogin .+/, "PermitRootLogin no")
 */
export const regexReplacedLines = defprop({
  name: "file.regexReplacedLines",
  kind: "posix",
  args: object({ path: path(), regex: pattern(), replacement: fileLine() }),
  call: (path: string, regex: string | RegExp, replacement: string) => ({
    path,
    regex: patternOf(regex),
    replacement,
  }),
  desc: ({ path, regex, replacement }) =>
    `${path} has /${regex.source}/${regex.flags} replaced by ${replacement}`,
  hostattrs: ({ regex }) => refuseBadPatterns([regex]),
  apply: ({ path, regex, replacement }, target) =>
    target.editLines(path, (old) => old.map((line) => line.replace(regexOf(regex), replacement))),
});
