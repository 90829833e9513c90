/** The SSH client, and who may log in to an account. */
import { defprop, InapplicableProperty, schema, withCreatedNoted, withCreatedRemoved } from "consfigurator";
import { parseKey, withKeys, withoutKeys } from "./_authorizedKeys";
import { publicKeyLine } from "./_hostKeys";
import { type Block, withSshSettings } from "./_sshConfig";
import { editedPrivately, SSH_HOME } from "./_sshHome";
import { refuseBlocks, type SshParams, settingsInWords, sshArgs, sshSettings } from "./_sshSettings";

export {
  type KnownHostOptions,
  knownHost,
  parentIsSystemKnownHost,
  systemKnownHost,
} from "./_sshKnownHosts";
export { hasUserKey } from "./_sshUserKey";

const { list, object, optional, string } = schema;

const file = `${SSH_HOME}/authorized_keys`;

/**
 * Anyone with one of `keys` can log in as the connected user; other keys stay. ~/.ssh and the file are created with
 * access for their owner only, and are restricted to it if others can write to them, since sshd refuses that.
 *
 * A key is known by its type and its material. It gets the options given here, such as `from="192.0.2.0/24"`, instead of those it
 * has; with other comments only, its line stays. The same key may be given several times, with different options: sshd uses the first
 * that fits. Unapplying it removes `keys`, whatever their options and comments, and the file and the directory that it created, when
 * they are empty.
 *
 * @example as("root", ssh.authorizedKeys("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPUOJ8DoZQUJSUx6CVlIc9mY0yVmvvjBWmmTy1hmR0Z me@laptop"))
 */
export const authorizedKeys = defprop({
  name: "ssh.authorizedKeys",
  kind: "posix",
  args: object({ keys: list(publicKeyLine(), { minItems: 1 }) }),
  call: (...keys: string[]) => ({ keys }),
  desc: ({ keys }) => `authorized ${keys.length > 1 ? "keys" : "key"}: ${keys.map(label).join(", ")}`,
  // No `check`: unapplying must remove keys that have other options.
  apply: ({ keys }, target) =>
    withCreatedNoted(target, file, () => editedPrivately(target, file, (lines) => withKeys(lines, keys))),
  unapply: ({ keys }, target) =>
    withCreatedRemoved(target, file, () => target.editLines(file, (lines) => withoutKeys(lines, keys))),
});

/** The short form of a key: its comment, else its end. */
function label(line: string): string {
  const { comment = "", key = "" } = parseKey(line) ?? {};
  return comment || `…${key.slice(-12)}`;
}

/** Options of `ssh.configured`. */
interface SshOptions {
  readonly host?: string;
  readonly match?: string;
}

const criteria = () =>
  optional(
    string({ pattern: "^[^\\n\\r]*\\S[^\\n\\r]*$", description: 'patterns, such as "*.example.org"' }),
  );
const settingsArgs = object({ settings: sshSettings(), host: criteria(), match: criteria() });
type SettingsArgs = schema.Infer<typeof settingsArgs>;

const blockOf = ({ host, match }: SettingsArgs): Block | undefined =>
  host !== undefined
    ? { keyword: "Host", criteria: host }
    : match !== undefined
      ? { keyword: "Match", criteria: match }
      : undefined;

const forBlock = (args: SettingsArgs): string => {
  const block = blockOf(args);
  return block ? `, for ${block.criteria}` : "";
};

function refuseSettings({ settings, host, match }: SettingsArgs): void {
  refuseBlocks(settings, 'name it with { host: "*.example.org" }, or { match: "exec true" }');
  if (host !== undefined && match !== undefined)
    throw new InapplicableProperty("give host or match: each begins a block of its own");
}

/**
 * ssh of the connected user has each of the settings, for every host, or in the block of the patterns `host` or of the criteria `match`:
 * in ~/.ssh/config. The first value of a keyword counts, so settings for every host are put before the first block, and a new block
 * before `Host *`. Lines are changed as by `sshd.configured`. ~/.ssh and the file are created, and restricted, as by
 * `ssh.authorizedKeys`.
 *
 * @example ssh.configured({ User: "git", IdentityFile: "~/.ssh/deploy" }, { host: "git.example.org" })
 */
export const configured = defprop({
  name: "ssh.configured",
  kind: "posix",
  args: settingsArgs,
  call: (...params: SshParams<SshOptions>) => sshArgs<SshOptions>(params),
  desc: (args) => `ssh has ${settingsInWords(args.settings)}${forBlock(args)}`,
  hostattrs: refuseSettings,
  apply: (args, target) =>
    editedPrivately(target, `${SSH_HOME}/config`, (lines) =>
      withSshSettings(lines, args.settings, blockOf(args)),
    ),
});

/**
 * As `ssh.configured`, for all users of the host: in /etc/ssh/ssh_config.
 *
 * @example ssh.systemConfigured("ServerAliveInterval", "60")
 */
export const systemConfigured = defprop({
  name: "ssh.systemConfigured",
  kind: "posix",
  args: settingsArgs,
  call: (...params: SshParams<SshOptions>) => sshArgs<SshOptions>(params),
  desc: (args) => `ssh of all users has ${settingsInWords(args.settings)}${forBlock(args)}`,
  hostattrs: refuseSettings,
  apply: (args, target) =>
    target.editLines("/etc/ssh/ssh_config", (lines) => withSshSettings(lines, args.settings, blockOf(args))),
});
