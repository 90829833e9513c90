/** The SSH configuration of an account. */
import { defprop, type FileStat, schema } from "consfigurator";

const { list, object, string } = schema;

const publicKey = () =>
  string({
    pattern:
      "^([^#\\n]* )?(ssh-[a-z0-9-]+|ecdsa-[a-z0-9-]+|sk-[a-z0-9@.-]+) AAAA[A-Za-z0-9+/]+=*( [^\\n]*)?$",
    description: 'a public key on one line, such as "ssh-ed25519 AAAA… me@laptop"',
  });

const directory = ".ssh";
const file = `${directory}/authorized_keys`;

/**
 * Anyone with one of `keys` can log in as the connected user; other keys stay. ~/.ssh and the file are created with
 * access for their owner only, and are restricted to it if others can write to them, since sshd refuses that.
 * Unapplying it removes `keys`.
 *
 * @example as("root", ssh.authorizedKeys("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPUOJ8DoZQUJSUx6CVlIc9mY0yVmvvjBWmmTy1hmR0Z me@laptop"))
 */
export const authorizedKeys = defprop({
  name: "ssh.authorizedKeys",
  kind: "posix",
  args: object({ keys: list(publicKey(), { minItems: 1 }) }),
  call: (...keys: string[]) => ({ keys }),
  desc: ({ keys }) => `authorized ${keys.length > 1 ? "keys" : "key"}: ${keys.map(label).join(", ")}`,
  check: async ({ keys }, target) => {
    const [inDirectory, ofFile, lines] = await Promise.all([
      target.stat(directory),
      target.stat(file),
      target.readLines(file),
    ]);
    return isSafe(inDirectory) && isSafe(ofFile) && keys.every((key) => lines.includes(key));
  },
  apply: async ({ keys }, target) => {
    const inDirectory = await target.stat(directory);
    if (!inDirectory) await target.makeDirectory(directory, { mode: 0o700 });
    else if (!isSafe(inDirectory)) await target.setMode(directory, 0o700);
    const keepsMode = isSafe(await target.stat(file));
    const missing = (lines: readonly string[]) => [...new Set(keys)].filter((key) => !lines.includes(key));
    await target.editLines(file, (lines) => [...lines, ...missing(lines)], keepsMode ? {} : { mode: 0o600 });
    if (!keepsMode) await target.setMode(file, 0o600);
    return "changed";
  },
  unapply: ({ keys }, target) =>
    target.editLines(file, (lines) => lines.filter((line) => !keys.includes(line))),
});

/** Whether only the owner can write there. */
const isSafe = (stat: FileStat | undefined): boolean => stat !== undefined && (stat.mode & 0o022) === 0;

/** The short form of a key: its comment, else its end. */
function label(key: string): string {
  const [, material = "", comment] = /(AAAA\S+)(?: (.*))?$/.exec(key) ?? [];
  return comment?.trim() || `…${material.slice(-12)}`;
}
