/** The OpenSSH server. */
import { posix } from "node:path";
import {
  AbortedChange,
  type Change,
  defprop,
  defproplist,
  eseqprops,
  type HostFacts,
  onChange,
  type PosixTarget,
  schema,
} from "consfigurator";
import { parseKey } from "./_authorizedKeys";
import { hostKeyOf, hostKeyType, hostPublicKeys, publicKeyLine } from "./_hostKeys";
import { needsRoot } from "./_needs";
import * as os from "./_os";
import { globalKeywords, includedBy, withSshSettings } from "./_sshConfig";
import { refuseBlocks, type SshParams, settingsInWords, sshArgs, sshSettings } from "./_sshSettings";
import { edited } from "./_validate";
import { installed as aptInstalled } from "./apt";
import { hasContent, hostSecretUploaded } from "./file";
import { isInhibited, isRunning, reloaded } from "./service";

const { absolutePath, account, object, optional, string } = schema;

const MAIN = "/etc/ssh/sshd_config";

/** Options of `sshd.configured`. */
interface SshdOptions {
  readonly match?: string;
  readonly file?: string;
}

const settingsArgs = object({
  settings: sshSettings(),
  match: optional(
    string({ pattern: "^[^\\n\\r]*\\S[^\\n\\r]*$", description: 'criteria, such as "User backup"' }),
  ),
  file: optional(absolutePath()),
});

const desc = ({ settings, match, file }: schema.Infer<typeof settingsArgs>): string =>
  `sshd has ${settingsInWords(settings)}${match === undefined ? "" : `, for ${match}`}${file === undefined ? "" : `, in ${file}`}`;

const contains = defprop({
  name: "sshd._contains",
  kind: "posix",
  args: settingsArgs,
  desc,
  apply: async ({ settings, match, file = MAIN }, target) => {
    await needsRoot(target, "sshd.configured");
    const early = match === undefined ? await setElsewhere(target, file) : new Set<string>();
    const block = match === undefined ? undefined : ({ keyword: "Match", criteria: match } as const);
    return edited(target, file, (lines) => withSshSettings(lines, settings, block, early));
  },
});

/** The keywords that files included by `file` set for everybody. */
async function setElsewhere(target: PosixTarget, file: string): Promise<Set<string>> {
  const patterns = includedBy(await target.readLines(file)).map((each) => posix.resolve("/etc/ssh", each));
  const files = (await Promise.all(patterns.map((pattern) => matching(target, pattern)))).flat();
  const found = await Promise.all(files.map(async (each) => globalKeywords(await target.readLines(each))));
  return new Set(found.flatMap((keywords) => [...keywords]));
}

/** The files that match `pattern`, in which `*` and `?` stand in the last part. */
async function matching(target: PosixTarget, pattern: string): Promise<string[]> {
  const { dir, base } = posix.parse(pattern);
  if (!/[*?]/.test(base)) return [pattern];
  const shape = base
    .replace(/[\\^$+.()|[\]{}]/g, "\\$&")
    .replaceAll("*", "[^/]*")
    .replaceAll("?", "[^/]");
  const isMatch = new RegExp(`^(?!\\.)${shape}$`);
  return ((await target.list(dir)) ?? [])
    .filter((name) => isMatch.test(name))
    .map((name) => `${dir}/${name}`);
}

const reloadedIfRunning = defprop({
  name: "sshd._reloaded",
  kind: "posix",
  args: object({ name: string() }),
  desc: () => "sshd uses its configuration",
  inline: true,
  apply: async ({ name }, target, steps): Promise<Change> =>
    isInhibited(target) || !(await isRunning(target, name)) ? "unchanged" : steps.apply(reloaded(name)),
});

const serviceOf = (host: HostFacts): string => (os.runs(host, "debianlike") ? "ssh" : "sshd");

/**
 * sshd has each of the settings, for everybody, or in the block of the criteria `match`. Keywords are compared without regard to
 * capital letters. The first value of a keyword counts, so the value is put where it does: before the first `Match`, and before the
 * `Include` of a file that sets the keyword. A line that has the keyword already is changed, else one that is commented out; everything
 * else stays. A keyword of which every line counts, such as `Port`, takes a list, and has exactly its values then.
 *
 * `file` is another file than /etc/ssh/sshd_config, such as one in /etc/ssh/sshd_config.d. sshd judges the new file before it is put in
 * place, and reads it if it runs.
 *
 * @example sshd.configured("PasswordAuthentication", "no", "MaxAuthTries", "3")
 * @example sshd.configured({ ForceCommand: "internal-sftp", X11Forwarding: "no" }, { match: "Group sftp" })
 */
export const configured = defproplist({
  name: "sshd.configured",
  args: settingsArgs,
  call: (...params: SshParams<SshdOptions>) => sshArgs<SshdOptions>(params),
  desc,
  hostattrs: ({ settings }) => refuseBlocks(settings, 'name it with { match: "User backup" }'),
  parts: (args, host) => [onChange(contains(args), reloadedIfRunning({ name: serviceOf(host) }))],
});

/**
 * The OpenSSH server is installed.
 *
 * @example sshd.installed()
 */
export const installed = defproplist({
  name: "sshd.installed",
  args: object({}),
  call: () => ({}),
  desc: () => "sshd installed",
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: () => [aptInstalled("openssh-server")],
});

const canLogIn = defprop({
  name: "sshd._canLogIn",
  kind: "posix",
  args: object({ user: optional(account()) }),
  desc: ({ user }) => `${user ?? "the connected user"} can log in with a key`,
  inline: true,
  apply: async ({ user }, target) => {
    await needsRoot(target, "sshd.noPasswords");
    const found = user === undefined ? await target.identity() : await target.user(user);
    const file = `${found?.home}/.ssh/authorized_keys`;
    const keys = found ? await target.readLines(file) : [];
    if (keys.some((line) => parseKey(line))) return "unchanged";
    const name = user ?? (await target.identity()).user;
    throw new AbortedChange(
      found
        ? `${file} has no key, so nobody could log in as ${name} without a password; put as("${name}", ssh.authorizedKeys("ssh-ed25519 AAAA…")) before this property, or name who can with { user: "admin" }`
        : `the account ${name} does not exist; put user.hasAccount("${name}") before this property`,
    );
  },
});

/**
 * sshd accepts no passwords: from root only keys, and neither passwords nor keyboard-interactive questions from anybody. Refused on the host unless
 * an authorized key lets `user` log in, which is the connected user unless given, so that nobody is locked out.
 *
 * @example sshd.noPasswords()
 * @example sshd.noPasswords({ user: "admin" })
 */
export const noPasswords = defproplist({
  name: "sshd.noPasswords",
  args: object({ user: optional(account()) }),
  call: (options: { user?: string } = {}) => ({ ...options }),
  desc: () => "sshd accepts no passwords",
  parts: (args) => [
    canLogIn(args),
    configured({
      PermitRootLogin: "prohibit-password",
      PasswordAuthentication: "no",
      KbdInteractiveAuthentication: "no",
    }),
  ],
});

const hostKeyArgs = object({ type: hostKeyType(), publicKey: publicKeyLine() });
const callWithKey = (type: schema.Infer<typeof hostKeyArgs>["type"], publicKey: string) => ({
  type,
  publicKey,
});

/**
 * Declares that sshd of this host has a host key of `type` ("ed25519", "ecdsa" or "rsa") with this `publicKey`, for `ssh.knownHost` of other
 * hosts. Does nothing on the host: see `sshd.hasHostKey`. A key of another type is refused before connecting.
 *
 * @example sshd.hasHostPublicKey("ed25519", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPUOJ8DoZQUJSUx6CVlIc9mY0yVmvvjBWmmTy1hmR0Z")
 */
export const hasHostPublicKey = defprop({
  name: "sshd.hasHostPublicKey",
  kind: "posix",
  args: hostKeyArgs,
  call: callWithKey,
  desc: ({ type }) => `declares a host key of type ${type}`,
  hostattrs: (args, host) => {
    hostKeyOf(args);
    host.pushNew(hostPublicKeys, args);
  },
});

/**
 * sshd has the host key of `type` with this `publicKey`, in /etc/ssh/ssh_host_TYPE_key and its .pub, and uses it if it runs. The private key is
 * the prerequisite data (hostname, "/etc/ssh/ssh_host_TYPE_key"), and has the mode 0o600. The key is declared as by
 * `sshd.hasHostPublicKey`.
 *
 * @example sshd.hasHostKey("ed25519", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPUOJ8DoZQUJSUx6CVlIc9mY0yVmvvjBWmmTy1hmR0Z")
 */
export const hasHostKey = defproplist({
  name: "sshd.hasHostKey",
  args: hostKeyArgs,
  call: callWithKey,
  desc: ({ type }) => `host key of type ${type}`,
  parts: ({ type, publicKey }, host) => [
    hasHostPublicKey(type, publicKey),
    onChange(
      eseqprops(
        hasContent(`/etc/ssh/ssh_host_${type}_key.pub`, [publicKey]),
        hostSecretUploaded(`/etc/ssh/ssh_host_${type}_key`),
      ),
      reloadedIfRunning({ name: serviceOf(host) }),
    ),
  ],
});
