/** What the readers of INI files disagree about. */

/** The part of a line that is a setting: `key`, separator, value. */
export interface IniParts {
  readonly key: string;
  readonly separator: string;
  readonly value: string;
}

/** How a reader of INI files understands them. */
export interface IniDialect {
  /** Matches the marker of a comment, and the blanks around it. */
  readonly marker: RegExp;
  /** The marker for lines that are commented out. */
  readonly comment: string;
  /** Matches a header: its name, then a setting on the same line, if the reader allows that. */
  readonly header: RegExp;
  /** Matches a setting without its indentation: key, separator, value. */
  readonly setting: RegExp;
  /** What continues a value on the next line: more indentation than that of its key, a backslash at the end, or nothing. */
  readonly continues: "indent" | "backslash" | "nothing";
  /** True: an empty value before others clears the list that they make up, and stays. */
  readonly clears?: boolean;
  sameSection(one: string | null, other: string | null): boolean;
  sameKey(one: string, other: string): boolean;
  /** A new setting. */
  render(key: string, value: string): string;
  /** The value that is meant by `text`, the value as written. */
  read(text: string): string;
}

const equal = <T>(one: T, other: T): boolean => one === other;

/** Readers such as Python's configparser. */
export const generic: IniDialect = {
  marker: /^[ \t]*[#;]+[ \t]*/,
  comment: "# ",
  header: /^[ \t]*\[(.+?)\][ \t]*(?:[#;].*)?$/,
  setting: /^([^\s=:#;[](?:[^=:]*[^\s=:])?)([ \t]*[=:][ \t]*)(.*)$/s,
  continues: "indent",
  sameSection: equal,
  sameKey: equal,
  render: (key, value) => `${key}=${value}`,
  read: (text) => text.trim(),
};

const plain = /^([^\s=#;[](?:[^=]*[^\s=])?)([ \t]*=[ \t]*)(.*)$/s;

/** systemd.syntax(7). */
const systemd: IniDialect = { ...generic, setting: plain, continues: "backslash", clears: true };

/** smb.conf(5): capital letters and blanks do not count in names. */
const folded = (text: string | null): string => (text ?? "").replace(/\s/g, "").toLowerCase();
const samba: IniDialect = {
  ...systemd,
  clears: false,
  sameSection: (one, other) => folded(one) === folded(other) && (one === null) === (other === null),
  sameKey: (one, other) => folded(one) === folded(other),
  render: (key, value) => `${key} = ${value}`,
};

/** The text before a comment that begins with one of `markers`, outside quotes, without the quotes around all of it. */
function unquoted(text: string, markers: string): string {
  const [bare = ""] =
    new RegExp(`^(?:"(?:\\\\.|[^"\\\\])*"|'[^']*'|[^"'${markers}]|["'])*`, "s").exec(text) ?? [];
  const trimmed = bare.trim();
  return /^(["']).*\1$/s.test(trimmed) ? trimmed.slice(1, -1) : trimmed;
}

const quoted = (value: string, special: RegExp): string =>
  special.test(value) && !/^["'].*["']$/s.test(value) ? `"${value}"` : value;

/** The option files of MySQL and MariaDB, in which keys may stand alone. */
const mysql: IniDialect = {
  ...generic,
  setting: /^([^\s=#;[!](?:[^=]*[^\s=])?)(?:([ \t]*=[ \t]*)(.*))?$/s,
  continues: "nothing",
  sameKey: (one, other) => one.replaceAll("-", "_") === other.replaceAll("-", "_"),
  render: (key, value) => `${key} = ${quoted(value, /#/)}`,
  read: (text) => unquoted(text, "#"),
};

/** php.ini: only a semicolon begins a comment. */
const php: IniDialect = {
  ...generic,
  marker: /^[ \t]*;+[ \t]*/,
  comment: "; ",
  setting: plain,
  continues: "nothing",
  render: (key, value) => `${key} = ${quoted(value, /;/)}`,
  read: (text) => unquoted(text, ";"),
};

/** git-config(1): `[section "subsection"]`, where only the subsection distinguishes capital letters. */
export const git: IniDialect = {
  ...generic,
  header: /^[ \t]*\[[ \t]*([A-Za-z0-9.-]+(?:[ \t]+"(?:\\.|[^"\\])*")?)[ \t]*\][ \t]*(.*)$/s,
  setting: /^([A-Za-z][A-Za-z0-9-]*)(?:([ \t]*=[ \t]*)(.*)|[ \t]*(?:[#;].*)?)$/s,
  continues: "backslash",
  sameSection: (one, other) => gitSection(one) === gitSection(other),
  sameKey: (one, other) => one.toLowerCase() === other.toLowerCase(),
  render: (key, value) =>
    `${key} = ${/^\s|\s$|[#;"\\]/.test(value) ? `"${value.replace(/["\\]/g, "\\$&")}"` : value}`,
  read: gitValue,
};

function gitSection(name: string | null): string | undefined {
  const [, section, subsection] = /^([^\s"]+)(?:\s+"(.*)")?$/s.exec(name ?? "") ?? [];
  if (section === undefined) return name ?? undefined;
  return subsection === undefined
    ? section.toLowerCase()
    : `${section.toLowerCase()} ${subsection.replace(/\\(.)/gs, "$1")}`;
}

/** A value without quotes, escapes, continued lines and the comment behind it. */
function gitValue(text: string): string {
  let value = "";
  let kept = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === '"') isQuoted = !isQuoted;
    else if (char === "\\") {
      at += 1;
      const next = text.charAt(at);
      value += next === "\n" ? "" : ({ n: "\n", t: "\t", b: "\b" }[next] ?? next);
    } else if (!isQuoted && (char === "#" || char === ";")) break;
    else value += char;
    if (isQuoted || !/\s/.test(char)) kept = value.length;
  }
  return value.slice(0, kept);
}

/** main.cf of Postfix, which has no sections. */
export const postfix: IniDialect = {
  ...generic,
  header: /^(?!)/,
  setting: plain,
  render: (key, value) => `${key} = ${value}`,
};

/** The dialect of a file that belongs to a program that is known. */
export const dialectOf = (path: string): IniDialect =>
  known.find(({ files }) => files.test(path))?.dialect ?? generic;

/** Whether `path` is a file of sections. */
export const hasSections = (path: string): boolean =>
  /\.ini$/.test(path) || known.some(({ files }) => files.test(path));

const known: readonly { readonly files: RegExp; readonly dialect: IniDialect }[] = [
  {
    files: /(^|\/)(\.?gitconfig|\.gitmodules|\.git\/config|[^/]+\.git\/config|\.config\/git\/config)$/,
    dialect: git,
  },
  { files: /(^|\/)smb\.conf$|\/samba\/[^/]+\.conf$/, dialect: samba },
  { files: /(^|\/)\.?my\.cnf$|\/(my|mysql|mariadb)[^/]*(\/.*)?\/[^/]+\.cnf$/, dialect: mysql },
  { files: /(^|\/)php[^/]*\.ini$|\/php[^/]*\/(.*\/)?[^/]+\.ini$/, dialect: php },
  {
    files:
      /\/systemd\/(.*\/)?[^/]+\.(conf|service|socket|device|mount|automount|swap|target|path|timer|slice|scope|network|netdev|link|nspawn|dnssd)$/,
    dialect: systemd,
  },
];
