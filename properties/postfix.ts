/** The mail server Postfix, on Debian and its derivatives. */
import {
  type Change,
  defprop,
  defproplist,
  eseqprops,
  type HostFacts,
  InvalidArguments,
  onApplyChange,
  onChange,
  type PosixTarget,
  type PropApp,
  schema,
} from "consfigurator";
import type { Pair } from "./_conf";
import { withIniSettings } from "./_ini";
import { postfix } from "./_iniDialects";
import { refuseUnlessAccepted } from "./_judged";
import { needed, needsRoot } from "./_needs";
import * as os from "./_os";
import { type Pairs, pairsOf, tuple } from "./_pairs";
import { installed as aptInstalled } from "./apt";
import { directoryExists, hasMode, hasOwnership } from "./file";
import { restarted, reloaded as serviceReloaded } from "./service";
import { hasGroups } from "./user";

const { absolutePath, account, boolean, list, object, optional, propapp, string } = schema;

const ETC = "/etc/postfix";

const debianlike = (_args: unknown, host: HostFacts): void => os.required(host, "debianlike");

/**
 * Postfix is installed.
 *
 * @example postfix.installed()
 */
export const installed = defproplist({
  name: "postfix.installed",
  args: object({}),
  call: () => ({}),
  desc: () => "Postfix installed",
  hostattrs: debianlike,
  parts: () => [aptInstalled("postfix")],
});

/**
 * Makes Postfix use its configuration as it is now, each time it is applied, so use it in `onChange`: see `service.reloaded`.
 *
 * @example onChange(file.containsLines("/etc/postfix/master.cf", "2525 inet n - y - - smtpd"), postfix.reloaded())
 */
export const reloaded = defproplist({
  name: "postfix.reloaded",
  args: object({}),
  call: () => ({}),
  desc: () => "Postfix reloaded",
  hostattrs: debianlike,
  parts: () => [serviceReloaded("postfix")],
});

const pairsArg = () =>
  list(
    tuple<Pair>(
      string({
        pattern: "^[A-Za-z0-9_]+$",
        description: 'a parameter of Postfix, such as "myhostname"',
      }),
      string({ pattern: "^[^\\n\\r]*$", description: "a value on one line" }),
    ),
    { minItems: 1 },
  );

const contains = defprop({
  name: "postfix._contains",
  kind: "posix",
  args: object({ pairs: pairsArg() }),
  desc: ({ pairs }) => `${ETC}/main.cf sets ${inWords(pairs)}`,
  apply: async ({ pairs }, target) => {
    await needsRoot(target, "postfix.mainConfigured");
    const settings = pairs.map(([key, value]) => [null, key, value] as const);
    return target.editLines(`${ETC}/main.cf`, (lines) => withIniSettings(lines, settings, postfix), {
      validate: (input) =>
        refuseUnlessAccepted(target, {
          directory: ETC,
          change: 'cat >"$COPY/main.cf"',
          input,
          judge:
            'postconf -c "$COPY" -n >/dev/null && postconf -c "$COPY" -x mail_version myhostname >/dev/null',
          refused: `Postfix refuses the new content of ${ETC}/main.cf`,
          done: "written",
        }),
    });
  },
});

const inWords = (pairs: readonly Pair[]): string =>
  pairs.map(([key, value]) => `${key} = ${value}`).join(", ");

/** What Postfix reads only when it is started. */
const ONLY_AT_START = new Set(["inet_interfaces", "inet_protocols"]);

/**
 * The file /etc/postfix/main.cf sets each parameter to its value, in place of all lines that it had, and Postfix uses it. A
 * line that is commented out is used; everything else stays. Postfix reads the new file before it is put in place; it is
 * installed if it is missing.
 *
 * @example postfix.mainConfigured("myhostname", "mail.example.org", "mydestination", "$myhostname, localhost")
 * @example postfix.mainConfigured({ inet_interfaces: "loopback-only", relayhost: "[smtp.example.org]:587" })
 */
export const mainConfigured = defproplist({
  name: "postfix.mainConfigured",
  args: object({ pairs: pairsArg() }),
  call: (...pairs: Pairs) => ({ pairs: pairsOf(pairs) }),
  desc: ({ pairs }) => `Postfix has ${inWords(pairs)}`,
  hostattrs: debianlike,
  parts: ({ pairs }) => [
    needed(installed()),
    onChange(
      contains({ pairs }),
      pairs.some(([key]) => ONLY_AT_START.has(key)) ? restarted("postfix") : reloaded(),
    ),
  ],
});

/** The kinds of tables that Postfix makes of a file, by the suffix of the file that it reads. */
const SUFFIXES = [".db", ".lmdb", ".cdb"];

const tableArgs = object({ file: absolutePath(), aliases: boolean() });

async function isNewer(target: PosixTarget, file: string): Promise<boolean> {
  const [source, ...tables] = await Promise.all(
    [file, ...SUFFIXES.map((suffix) => file + suffix)].map((path) => target.stat(path)),
  );
  return source !== undefined && tables.some((table) => table && table.mtime >= source.mtime);
}

async function makeTable(
  target: PosixTarget,
  { file, aliases }: schema.Infer<typeof tableArgs>,
): Promise<Change> {
  await needsRoot(target, "postfix.mappedFile");
  await target.run([aliases ? "postalias" : "postmap", file], {
    predict: (model) => {
      model.mayFail();
      model.mayChange({ paths: SUFFIXES.map((suffix) => file + suffix) });
      return undefined;
    },
  });
  return "changed";
}

const madeAnew = defprop({
  name: "postfix._tableMadeAnew",
  kind: "posix",
  args: tableArgs,
  desc: ({ file }) => `table of ${file} made anew`,
  inline: true,
  apply: (args, target) => makeTable(target, args),
});

const made = defprop({
  name: "postfix._table",
  kind: "posix",
  args: tableArgs,
  desc: ({ file }) => `table of ${file}`,
  check: ({ file }, target) => isNewer(target, file),
  apply: (args, target) => makeTable(target, args),
  unapply: async ({ file }, target) => {
    await needsRoot(target, "postfix.mappedFile");
    const changes = await Promise.all(SUFFIXES.map((suffix) => target.remove(file + suffix)));
    return changes.includes("changed") ? "changed" : "unchanged";
  },
});

/** The file that `application` is about, by its first argument. */
function fileOf({ property, args }: PropApp): string {
  const path = (args as { path?: unknown }).path;
  if (typeof path === "string" && path.startsWith("/")) return path;
  throw new InvalidArguments(
    `postfix.mappedFile: the arguments of ${property} name no absolute path; give it with { file: "/etc/postfix/virtual" }`,
  );
}

/**
 * `application` holds, and Postfix has a table of the file that it writes, as postmap(1) makes it, which is not older. The file is that of
 * the first argument of `application`, or `file`. With `aliases: true`, or for /etc/aliases, the table is made by
 * postalias(1). The table is of the default kind, such as `hash:/etc/postfix/virtual`, and Postfix, which must be installed,
 * notices that it is new. Unapplying it unapplies `application`, and deletes the table.
 *
 * @example postfix.mappedFile(file.existsWithContent("/etc/postfix/virtual", ["sales@example.org ana"]))
 */
export const mappedFile = defproplist({
  name: "postfix.mappedFile",
  args: object({ application: propapp(), file: absolutePath(), aliases: optional(boolean()) }),
  call: (application: PropApp, options: { file?: string; aliases?: boolean } = {}) => ({
    application,
    file: options.file ?? fileOf(application),
    ...(options.aliases !== undefined && { aliases: options.aliases }),
  }),
  desc: ({ file }) => `Postfix has a table of ${file}`,
  parts: ({ application, file, aliases = file === "/etc/aliases" }) => {
    const table = { file, aliases };
    return [onApplyChange(application, madeAnew(table)), made(table)];
  },
});

/**
 * Postfix is installed, and can reach sockets that the daemon of the account `daemonUser` makes, such as a milter, in the
 * directory /var/spool/postfix/`name`: it belongs to `daemonUser` and `daemonGroup`, and Postfix is in that group. Both must
 * exist. `daemonGroup` and `name` are as `daemonUser` unless given.
 *
 * @example postfix.daemonSocketDirectory("opendkim")
 */
export const daemonSocketDirectory = defproplist({
  name: "postfix.daemonSocketDirectory",
  args: object({
    daemonUser: account(),
    daemonGroup: account(),
    name: string({
      pattern: "^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
      description: 'the name of a directory, such as "opendkim"',
    }),
  }),
  call: (daemonUser: string, daemonGroup: string = daemonUser, name: string = daemonUser) => ({
    daemonUser,
    daemonGroup,
    name,
  }),
  desc: ({ daemonUser }) => `Postfix reaches sockets of ${daemonUser}`,
  hostattrs: debianlike,
  parts: ({ daemonUser, daemonGroup, name }) => {
    const directory = `/var/spool/postfix/${name}`;
    return [
      needed(installed()),
      eseqprops(
        directoryExists(directory),
        hasOwnership(directory, { user: daemonUser, group: daemonGroup }),
        hasMode(directory, 0o750),
        hasGroups("postfix", daemonGroup),
      ),
    ];
  },
});
