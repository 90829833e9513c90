/** FreeBSD's rc.conf(5) and files like it, through sysrc(8). */
import { type Change, defprop, type PosixTarget, schema } from "consfigurator";
import { needsRoot } from "./_needs";
import * as os from "./_os";
import { type Pairs, pairsOf, tuple } from "./_pairs";

const { absolutePath, list, object, string } = schema;

const name = () =>
  string({ pattern: "^[A-Za-z_][A-Za-z0-9_]*$", description: 'a variable, such as "sshd_enable"' });
const value = () => string({ pattern: "^[^\\n\\r]*$", description: "a value on one line" });
const word = () => string({ pattern: "^[^\\s\"'`$\\\\]+$", description: "a word without quotes" });
const pairs = () => list(tuple<[string, string]>(name(), value()), { minItems: 1 });
const words = () => list(word(), { minItems: 1 });

/** The words of sysrc for `file`; undefined: for rc.conf. */
const fileWords = (file: string | undefined): string[] => (file === undefined ? [] : ["-f", file]);
/** sysrc changes a variable where it finds it. */
const about = (file: string | undefined) => ({
  paths: file === undefined ? ["/etc/rc.conf", "/etc/rc.conf.local", "/etc/rc.conf.d"] : [file],
});

const question = (file: string | undefined, settings: readonly string[]): string[] => [
  "sysrc",
  ...fileWords(file),
  "-c",
  ...settings,
];

/** Whether sysrc would change nothing. */
const holds = (
  target: PosixTarget,
  file: string | undefined,
  settings: readonly string[],
): Promise<boolean> => target.succeeds(question(file, settings), { about: about(file) });

/** Has sysrc make `settings`, unless they hold. */
async function set(
  target: PosixTarget,
  property: string,
  file: string | undefined,
  settings: readonly string[],
): Promise<Change> {
  if (await holds(target, file, settings)) return "unchanged";
  await needsRoot(target, property);
  await target.run(["sysrc", ...fileWords(file), ...settings], {
    predict: (model) => {
      model.mayChange(about(file));
      model.answer(question(file, settings), { exit: 0 }, about(file));
      return undefined;
    },
  });
  return "changed";
}

const assignments = (pairs: readonly (readonly [string, string])[]): string[] =>
  pairs.map(([key, value]) => `${key}=${value}`);
const additions = (key: string, values: readonly string[]): string[] =>
  values.map((each) => `${key}+=${each}`);
const removals = (key: string, values: readonly string[]): string[] =>
  values.map((each) => `${key}-=${each}`);

/**
 * rc.conf sets each variable to its value.
 *
 * @example rcConf.contains("sshd_enable", "YES", "hostname", "www.example.org")
 */
export const contains = defprop({
  name: "rcConf.contains",
  kind: "posix",
  args: object({ pairs: pairs() }),
  call: (...given: Pairs) => ({ pairs: pairsOf(given) as [string, string][] }),
  desc: ({ pairs }) => `rc.conf sets ${assignments(pairs).join(", ")}`,
  hostattrs: (_args, host) => os.required(host, "freebsd"),
  check: ({ pairs }, target) => holds(target, undefined, assignments(pairs)),
  apply: ({ pairs }, target) => set(target, "rcConf.contains", undefined, assignments(pairs)),
});

/**
 * Like `rcConf.contains`, in `file`.
 *
 * @example rcConf.fileContains("/boot/loader.conf", "autoboot_delay", "2")
 */
export const fileContains = defprop({
  name: "rcConf.fileContains",
  kind: "posix",
  args: object({ file: absolutePath(), pairs: pairs() }),
  call: (file: string, ...given: Pairs) => ({ file, pairs: pairsOf(given) as [string, string][] }),
  desc: ({ file, pairs }) => `${file} sets ${assignments(pairs).join(", ")}`,
  hostattrs: (_args, host) => os.required(host, "freebsd"),
  check: ({ file, pairs }, target) => holds(target, file, assignments(pairs)),
  apply: ({ file, pairs }, target) => set(target, "rcConf.fileContains", file, assignments(pairs)),
});

const listArgs = object({ key: name(), values: words() });
const fileListArgs = object({ file: absolutePath(), key: name(), values: words() });
const callWithList = (key: string, ...values: string[]) => ({ key, values });
const callWithFileList = (file: string, key: string, ...values: string[]) => ({ file, key, values });

/**
 * The list of words `key` of rc.conf has each of `values`. Missing ones are appended. Unapplying it deletes them.
 *
 * @example rcConf.wsListContains("kld_list", "if_bridge", "nullfs")
 */
export const wsListContains = defprop({
  name: "rcConf.wsListContains",
  kind: "posix",
  args: listArgs,
  call: callWithList,
  desc: ({ key, values }) => `${key} of rc.conf contains ${values.join(", ")}`,
  hostattrs: (_args, host) => os.required(host, "freebsd"),
  apply: ({ key, values }, target) => set(target, "rcConf.wsListContains", undefined, additions(key, values)),
  unapply: ({ key, values }, target) =>
    set(target, "rcConf.wsListContains", undefined, removals(key, values)),
});

/**
 * Like `rcConf.wsListContains`, in `file`.
 *
 * @example rcConf.fileWsListContains("/etc/rc.conf.d/jail", "jail_list", "www")
 */
export const fileWsListContains = defprop({
  name: "rcConf.fileWsListContains",
  kind: "posix",
  args: fileListArgs,
  call: callWithFileList,
  desc: ({ file, key, values }) => `${key} of ${file} contains ${values.join(", ")}`,
  hostattrs: (_args, host) => os.required(host, "freebsd"),
  apply: ({ file, key, values }, target) =>
    set(target, "rcConf.fileWsListContains", file, additions(key, values)),
  unapply: ({ file, key, values }, target) =>
    set(target, "rcConf.fileWsListContains", file, removals(key, values)),
});

/**
 * The list of words `key` of rc.conf has none of `values`.
 *
 * @example rcConf.wsListLacks("cloned_interfaces", "bridge0")
 */
export const wsListLacks = defprop({
  name: "rcConf.wsListLacks",
  kind: "posix",
  args: listArgs,
  call: callWithList,
  desc: ({ key, values }) => `${key} of rc.conf lacks ${values.join(", ")}`,
  hostattrs: (_args, host) => os.required(host, "freebsd"),
  apply: ({ key, values }, target) => set(target, "rcConf.wsListLacks", undefined, removals(key, values)),
});

/**
 * Like `rcConf.wsListLacks`, in `file`.
 *
 * @example rcConf.fileWsListLacks("/etc/rc.conf.d/jail", "jail_list", "old")
 */
export const fileWsListLacks = defprop({
  name: "rcConf.fileWsListLacks",
  kind: "posix",
  args: fileListArgs,
  call: callWithFileList,
  desc: ({ file, key, values }) => `${key} of ${file} lacks ${values.join(", ")}`,
  hostattrs: (_args, host) => os.required(host, "freebsd"),
  apply: ({ file, key, values }, target) =>
    set(target, "rcConf.fileWsListLacks", file, removals(key, values)),
});
