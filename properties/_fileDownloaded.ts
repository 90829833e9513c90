import { createHash } from "node:crypto";
import {
  AbortedChange,
  type Change,
  defprop,
  FailedChange,
  type PosixTarget,
  schema,
  shellWords,
  withCreatedNoted,
  withCreatedRemoved,
} from "consfigurator";
import { parentOf } from "./_paths";

const { mode, object, optional, path, string } = schema;

const url = () =>
  string({
    pattern: '^(https?|ftp)://[^\\s/@"\\\\]+(/[^\\s"\\\\]*)?$',
    description: 'a URL without a password, such as "https://example.org/shop-1.2.tar.gz"',
  });
const sha256 = () =>
  string({
    pattern: "^[0-9a-fA-F]{64}$",
    description: "a SHA-256, as sha256sum prints it: 64 hexadecimal digits",
  });

/**
 * `to` is the file at `url`, with this `sha256`, whatever else was there. It is downloaded on the host, by curl or wget, when
 * the present file has another checksum; what was downloaded with another one is not put in place. The file gets the
 * permission bits `mode` (default: 0o644). Missing parent directories are created. Unapplying it deletes the file.
 *
 * @example file.downloaded("https://example.org/shop-1.2.tar.gz", { to: "/usr/local/src/shop-1.2.tar.gz", sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" })
 */
export const downloaded = defprop({
  name: "file.downloaded",
  kind: "posix",
  args: object({ url: url(), to: path(), sha256: sha256(), mode: optional(mode()) }),
  call: (url: string, options: { readonly to: string; readonly sha256: string; readonly mode?: number }) => ({
    url,
    ...options,
  }),
  desc: ({ url, to }) => `${to} downloaded from ${url}`,
  apply: async ({ url, to, sha256, mode = 0o644 }, target) => {
    const wanted = sha256.toLowerCase();
    if ((await sha256Of(target, to)) === wanted) return target.setMode(to, mode);
    await withCreatedNoted(target, parentOf(to), () => target.makeDirectory(parentOf(to)));
    return target.withTemporaryDirectory<Change>(async (directory) => {
      const draft = `${directory}/download`;
      await download(target, url, draft, to);
      const found = await sha256Of(target, draft);
      if (found !== wanted)
        throw new AbortedChange(
          `${url} has the SHA-256 ${found}, but ${wanted} is expected, so it was not put in place; find out which of the two is wrong`,
        );
      await target.setMode(draft, mode);
      await target.copyFile(draft, to);
      return "changed";
    });
  },
  unapply: ({ to }, target) => withCreatedRemoved(target, to, () => target.remove(to)),
});

/** The URL is given on the standard input: one with a token is not in the list of processes. */
async function download(target: PosixTarget, url: string, draft: string, to: string): Promise<void> {
  const [curl, wget] = await Promise.all([target.hasCommand("curl"), target.hasCommand("wget")]);
  if (!curl && !wget)
    throw new AbortedChange(
      `${target.host.name} has neither curl nor wget, which downloads ${url}; put apt.installed("curl"), or what provides it there, before this property`,
    );
  const [words, input] = curl
    ? [["curl", "-fsSL", "--retry", "3", "-o", draft, "--config", "-"], `url = "${url}"\n`]
    : [["wget", "-q", "-O", draft, "-i", "-"], `${url}\n`];
  const { exit, stderr } = await target.run(words, { input, mayFail: true, touches: { paths: [draft, to] } });
  if (exit === 0) return;
  throw new FailedChange(
    `cannot download ${url}: ${stderr.trim() || `\`${shellWords(words.slice(0, 2))}\` ended with exit code ${exit}`}`,
  );
}

/** The SHA-256 of a file, in lower case; undefined when there is no such file. */
export async function sha256Of(target: PosixTarget, file: string): Promise<string | undefined> {
  const stat = await target.stat(file);
  if (stat?.type !== "file") return undefined;
  if (target.kind === "agent" && stat.size <= READ_AT_MOST) {
    const bytes = await target.readBytes(file);
    return bytes && createHash("sha256").update(bytes).digest("hex");
  }
  const absolute = await target.realPath(file);
  if (absolute === undefined) return undefined;
  const commands = ["sha256sum", "sha256 -r", "shasum -a 256"].map((each) => `${each} <"$FILE" 2>/dev/null`);
  const { stdout } = await target.query(commands.join(" || "), {
    env: { FILE: absolute },
    about: { paths: [absolute] },
  });
  return /^[0-9a-f]{64}/.exec(stdout)?.[0];
}

/** A larger file is not read into memory, but by a command. */
const READ_AT_MOST = 16 * 1024 * 1024;
