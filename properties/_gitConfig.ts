/** The configuration file of a git repository. Edited and read without git. */
import { AbortedChange, type PosixTarget } from "consfigurator";
import { type Triple, withIniSettings } from "./_ini";
import { git } from "./_iniDialects";

/** `key` as git writes it, such as `remote.origin.url`, and its value, as a setting of the file. */
export function settingOf([key, value]: readonly [string, string]): Triple {
  const [, section = "", subsection, name = ""] = /^([^.]+)\.(?:(.+)\.)?([^.]+)$/s.exec(key) ?? [];
  const quoted = subsection === undefined ? "" : ` "${subsection.replace(/["\\]/g, "\\$&")}"`;
  return [section + quoted, name, value];
}

export const withGitSettings = (
  lines: readonly string[],
  pairs: readonly (readonly [string, string])[],
): string[] => withIniSettings(lines, pairs.map(settingOf), git);

/** Whether the lines of a configuration set `key` to `value`, once. */
export const hasSetting = (lines: readonly string[], key: string, value: string): boolean =>
  lines.length > 0 && withGitSettings(lines, [[key, value]]).join("\n") === lines.join("\n");

/**
 * The configuration of the repository `repo`: of a work tree, of one that is linked to another or is a submodule, or of a bare
 * repository. Undefined when `repo` is none of these.
 */
export async function configOf(target: PosixTarget, repo: string): Promise<string | undefined> {
  const dotGit = `${repo}/.git`;
  const [own, head, bare] = await Promise.all([
    target.stat(dotGit),
    target.stat(`${repo}/HEAD`),
    target.stat(`${repo}/config`),
  ]);
  if (own?.type === "directory") return `${dotGit}/config`;
  if (own?.type === "file") {
    const [, gitdir = ""] = /^gitdir: (.+)$/m.exec(await target.readFile(dotGit)) ?? [];
    const directory = resolved(repo, gitdir);
    const [common] = await target.readLines(`${directory}/commondir`);
    return `${common === undefined ? directory : resolved(directory, common)}/config`;
  }
  return head?.type === "file" && bare?.type === "file" ? `${repo}/config` : undefined;
}

const resolved = (from: string, path: string): string => (path.startsWith("/") ? path : `${from}/${path}`);

/** As `configOf`, for a repository that must be there. */
export async function neededConfigOf(target: PosixTarget, repo: string): Promise<string> {
  const found = await configOf(target, repo);
  if (found !== undefined) return found;
  throw new AbortedChange(
    `${repo} is not a git repository; correct the path, or put git.cloned("https://…", "${repo}") before this property`,
  );
}
