/** What the ssh client and server of a user's account know. */
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
 * Who has one of `keys` can log in as the connected user; other keys stay. ~/.ssh and the file are made for their owner
 * alone, and made so where others may write to them, since sshd refuses that. Unapplied, `keys` are taken out.
 *
 * @example as("root", ssh.authorizedKeys("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPUOJ8DoZQUJSUx6CVlIc9mY0yVmvvjBWmmTy1hmR0Z me@laptop"))
 */
export const authorizedKeys = defprop({
  name: "ssh.authorizedKeys",
  kind: "posix",
  args: object({ keys: list(publicKey(), { minItems: 1 }) }),
  call: (...keys: string[]) => ({ keys }),
  desc: ({ keys }) => `lets in ${keys.map(label).join(", ")}`,
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

/** Whether nobody but the owner can write there. */
const isSafe = (stat: FileStat | undefined): boolean => stat !== undefined && (stat.mode & 0o022) === 0;

/** How a person knows a key: by its comment, else by its end. */
function label(key: string): string {
  const [, material = "", comment] = /(AAAA\S+)(?: (.*))?$/.exec(key) ?? [];
  return comment?.trim() || `…${material.slice(-12)}`;
}
