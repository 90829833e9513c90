import { type Change, defprop, type PosixTarget, schema } from "consfigurator";
import { type ConfStyle, equals, type Pair, shell, space, tab, unspaced, withSettings } from "./_conf";
import { type Triple, withIniSettings } from "./_ini";
import { dialectOf, postfix } from "./_iniDialects";
import { refuseOtherGrammar } from "./_knownFiles";
import { type Pairs, pairsOf, settingsArgs, tuple, value, withoutOptions } from "./_pairs";
import { type Checker, checker, edited } from "./_validate";

const { list, nullable, object, optional, path, string } = schema;

/** Options of everything that edits a file. */
interface EditOptions {
  readonly validate?: Checker;
}

type Params =
  | Pairs
  | [...words: string[], options: EditOptions]
  | [...Exclude<Pairs, string[]>, options: EditOptions];

const call = (path: string, ...params: Params) => {
  const [pairs, options] = withoutOptions<EditOptions>(params);
  return { path, pairs: pairsOf(pairs as Pairs), ...options };
};

type SettingsArgs = schema.Infer<ReturnType<typeof settingsArgs>>;

const desc = ({ path, pairs }: SettingsArgs) =>
  `${path} sets ${pairs.map(([key, value]) => `${key}=${value}`).join(", ")}`;

/** What the properties have in common that set pairs in `style`. */
const inStyle = (name: string, style: ConfStyle) => ({
  kind: "posix" as const,
  args: settingsArgs(style),
  call,
  desc,
  hostattrs: ({ path }: SettingsArgs) => refuseOtherGrammar(name, path),
  apply: ({ path, pairs, validate }: SettingsArgs, target: PosixTarget): Promise<Change> =>
    edited(
      target,
      path,
      (old) =>
        style === equals && isPostfix(path)
          ? withIniSettings(old, pairs.map(inNoSection), postfix)
          : withSettings(old, style, pairs),
      validate,
    ),
});

/** Whether values go on in indented lines. */
const isPostfix = (path: string): boolean => /\/main\.cf$/.test(path);
const inNoSection = ([key, value]: Pair): Triple => [null, key, value];

/**
 * `path` sets each key to its value, in lines `key value`. The first line of a key becomes the active one, even if it
 * was commented out with `#`; later ones are commented out. New keys are appended. Other lines are left alone.
 *
 * With `{ validate }` after the settings, a command judges the new content, as in `file.hasContent`. A file that is known to have
 * another grammar is refused before connecting, such as /etc/ssh/sshd_config, for which there is `sshd.configured`.
 *
 * @example file.containsConfSpace("/etc/chrony/conf.d/local.conf", "makestep", "1 3")
 */
export const containsConfSpace = defprop({
  name: "file.containsConfSpace",
  ...inStyle("file.containsConfSpace", space),
});

/**
 * Like `file.containsConfSpace`, with a tab between key and value.
 *
 * @example file.containsConfTab("/etc/login.defs", { UMASK: "027" })
 */
export const containsConfTab = defprop({
  name: "file.containsConfTab",
  ...inStyle("file.containsConfTab", tab),
});

/**
 * Like `file.containsConfSpace`, in lines `key = value`.
 *
 * @example file.containsConfEquals("/etc/sysctl.d/90-local.conf", "net.ipv4.ip_forward", "1")
 */
export const containsConfEquals = defprop({
  name: "file.containsConfEquals",
  ...inStyle("file.containsConfEquals", equals),
});

/**
 * Like `file.containsConfSpace`, in lines `key=value` without spaces.
 *
 * @example file.containsConfUnspaced("/etc/environment", "LC_ALL", "C.UTF-8")
 */
export const containsConfUnspaced = defprop({
  name: "file.containsConfUnspaced",
  ...inStyle("file.containsConfUnspaced", unspaced),
});

/**
 * Like `file.containsConfSpace`, in lines `key=value` for a shell to read: values are quoted where needed.
 *
 * @example file.containsConfShell("/etc/default/grub", "GRUB_CMDLINE_LINUX", "console=ttyS0 quiet")
 */
export const containsConfShell = defprop({
  name: "file.containsConfShell",
  ...inStyle("file.containsConfShell", shell),
});

const iniKey = () =>
  string({
    pattern: "^[^\\s=#;\\[]([^=\\n\\r]*[^\\s=])?$",
    description: "a key without =, not starting with #, ; or [",
  });
const section = () => string({ pattern: "^[^\\n\\r]+$", description: "the name of a section" });

type Sections = Triple[] | [...settings: Triple[], options: EditOptions];

/**
 * `path` sets each key of each section to its value, in lines `key=value`; the section is null for settings before the
 * first section header. The first line of a key in its section becomes the active one, even if it was commented out;
 * later ones are commented out. A new key goes after the last setting of its section, a new section to the end. A value
 * that goes on in further lines is replaced as a whole; a line keeps its indentation.
 *
 * Files of git, systemd, Samba, MySQL, MariaDB and PHP are known by their paths, and are read as these programs do: which
 * names are the same, how values go on and are quoted. Any other file is read as by Python's configparser.
 *
 * `validate` is a command that judges the new content, as in `file.hasContent`.
 *
 * @example file.containsIniSettings("/etc/systemd/journald.conf", ["Journal", "SystemMaxUse", "1G"])
 * @example file.containsIniSettings("/etc/samba/smb.conf", ["global", "workgroup", "SHOP"], { validate: "testparm -s %s" })
 */
export const containsIniSettings = defprop({
  name: "file.containsIniSettings",
  kind: "posix",
  args: object({
    path: path(),
    settings: list(tuple<Triple>(nullable(section()), iniKey(), value()), { minItems: 1 }),
    validate: optional(checker()),
  }),
  call: (path: string, ...params: Sections) => {
    const isTriple = (param: Triple | EditOptions): param is Triple => Array.isArray(param);
    const options = params.find((param) => !isTriple(param)) as EditOptions | undefined;
    return { path, settings: (params as Triple[]).filter(isTriple), ...options };
  },
  desc: ({ path, settings }) =>
    `${path} sets ${settings.map(([section, key, value]) => `${section === null ? "" : `[${section}] `}${key}=${value}`).join(", ")}`,
  hostattrs: ({ path }) => refuseOtherGrammar("file.containsIniSettings", path, { sections: true }),
  apply: ({ path, settings, validate }, target) =>
    edited(target, path, (old) => withIniSettings(old, settings, dialectOf(path)), validate),
});
