/** Clones of git repositories, and their configuration. */
import {
  type Change,
  defprop,
  defproplist,
  InapplicableProperty,
  type PosixTarget,
  schema,
} from "consfigurator";
import { configOf, hasSetting, neededConfigOf, withGitSettings } from "./_gitConfig";
import { needed } from "./_needs";
import * as os from "./_os";
import { type Pairs, pairsOf, tuple } from "./_pairs";
import { parentOf } from "./_paths";
import { installed as aptInstalled } from "./apt";
import { installed as pkgInstalled } from "./pkgng";

export * from "./_gitSnapshot";

const { list, object, optional, path, string } = schema;

/**
 * git can be run: where it cannot, the package is installed. So it needs no root where git is there already.
 *
 * @example git.installed()
 */
export const installed = defprop({
  name: "git.installed",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "git installed",
  hostattrs: (_args, host) => {
    if (!os.runs(host, "freebsd")) os.required(host, "debianlike");
  },
  check: (_args, target) => target.hasCommand("git"),
  apply: (_args, target, steps) =>
    steps.apply(os.runs(target.host, "freebsd") ? pkgInstalled("git") : aptInstalled("git")),
});

const cloneArgs = object({
  url: string({
    pattern: "^(?!-)(/|[^\\s/]+:)[^\\s]*[^\\s/]$",
    description:
      'the URL of a repository, such as "https://git.example.org/shop.git" or "git@git.example.org:shop.git", or an absolute path',
  }),
  dest: path(),
  branch: optional(
    string({
      pattern: "^(?![-/.])[^\\s~^:?*\\\\[]+(?<![/.])$",
      description: 'a branch, a tag or a commit, such as "main"',
    }),
  ),
});
type Clone = schema.Infer<typeof cloneArgs>;

const call = (url: string, dest: string, branch?: string): Clone => ({
  url,
  dest,
  ...(branch !== undefined && { branch }),
});

/** What is cloned and fetched must neither ask nor wait for somebody. */
const env = { GIT_TERMINAL_PROMPT: "0" };

const ORIGIN = "remote.origin.url";

const clone = defprop({
  name: "git._clone",
  kind: "posix",
  args: cloneArgs,
  call,
  desc: ({ url, dest }) => `${dest} is a clone of ${url}`,
  check: async ({ url, dest }, target) => {
    const config = await configOf(target, dest);
    return config !== undefined && hasSetting(await target.readLines(config), ORIGIN, url);
  },
  apply: async ({ url, dest, branch }, target) => {
    await target.makeDirectory(parentOf(dest));
    // Beside its place, so that what is there stays until the new clone is whole.
    return target.withTemporaryDirectory<Change>(
      async (temporary) => {
        const fresh = `${temporary}/clone`;
        const touches = { paths: [temporary, await absolute(target, dest)] };
        await target.run(["git", "clone", "--quiet", "--", url, fresh], { env, inform: true, touches });
        if (branch !== undefined) await checkout(target, fresh, branch);
        await target.run(["git", "-C", fresh, "update-server-info"]);
        await target.remove(dest, { recursive: true });
        await target.rename(fresh, dest);
        return "changed";
      },
      { directory: parentOf(dest) },
    );
  },
});

const checkout = (target: PosixTarget, repo: string, branch: string) =>
  target.run(["git", "-C", repo, "checkout", "--quiet", branch, "--"], { env });

async function absolute(target: PosixTarget, path: string): Promise<string> {
  return path.startsWith("/") ? path : `${(await target.identity()).home}/${path}`;
}

const upToDate = defprop({
  name: "git._upToDate",
  kind: "posix",
  args: cloneArgs,
  call,
  desc: ({ dest, branch }) => `${dest} has the newest commit${branch === undefined ? "" : ` of ${branch}`}`,
  apply: async ({ url, dest, branch }, target) => {
    const paths = [await absolute(target, dest), ...(url.startsWith("/") ? [url] : [])];
    const ask = (words: readonly string[], mayFail = false) =>
      target.query(["git", "-C", dest, ...words], { env, mayFail, about: { paths } });
    const current = (await ask(["symbolic-ref", "--quiet", "--short", "HEAD"], true)).stdout.trim();
    const wanted = branch ?? current;
    // A tag or a commit that is checked out has nothing newer.
    if (wanted === "") return "unchanged";
    const listed = (await ask(["ls-remote", "origin", `refs/heads/${wanted}`])).stdout;
    const [newest] = /^[0-9a-f]+/.exec(listed) ?? [];
    const has = newest !== undefined && (await ask(["merge-base", "--is-ancestor", newest, "HEAD"], true));
    if (has && has.exit === 0 && current === wanted) return "unchanged";
    if (newest === undefined && branch !== undefined) return settled(target, dest, branch);
    await target.run(["git", "-C", dest, "fetch", "--quiet", "origin"], {
      env,
      inform: true,
      touches: { paths },
    });
    if (current !== wanted) await checkout(target, dest, wanted);
    await target.run(["git", "-C", dest, "merge", "--quiet", "--ff-only", `refs/remotes/origin/${wanted}`]);
    await target.run(["git", "-C", dest, "update-server-info"]);
    return "changed";
  },
});

/** A tag or a commit is checked out. */
async function settled(target: PosixTarget, dest: string, name: string): Promise<Change> {
  const about = { paths: [await absolute(target, dest)] };
  const commit = async (each: string) =>
    (
      await target.query(["git", "-C", dest, "rev-parse", "--quiet", "--verify", `${each}^{commit}`], {
        mayFail: true,
        about,
      })
    ).stdout;
  const [wanted, head] = await Promise.all([commit(name), commit("HEAD")]);
  if (wanted !== "" && wanted === head) return "unchanged";
  if (wanted === "")
    await target.run(["git", "-C", dest, "fetch", "--quiet", "--tags", "origin"], {
      env,
      inform: true,
      touches: about,
    });
  await target.run(["git", "-C", dest, "checkout", "--quiet", name, "--"], { touches: about });
  await target.run(["git", "-C", dest, "update-server-info"]);
  return "changed";
}

/** A password in a URL would be in the list of processes, and in reports. */
function refusePassword({ url }: Clone): void {
  if (/^[a-z+]+:\/\/[^/@]*:[^/@]*@/i.test(url))
    throw new InapplicableProperty(
      `the URL of ${url.replace(/\/\/.*@/, "//")} has a password, which would be seen in the list of processes and in reports; leave it out, and put it in ~/.netrc with file.secretUploaded, or use a key of ssh`,
    );
}

/**
 * `dest` is a clone of the repository `url`. When it is made, `branch` is checked out, or the default one of the repository; a clone that
 * is there stays at the branch it has. git is installed if it is missing.
 *
 * **Anything else that is at `dest` is deleted**, and so is a clone of another repository, once the new one is complete. It is
 * cloned as the connected user: see `as`. A URL with a password is refused before connecting.
 *
 * @example git.cloned("https://git.example.org/shop.git", "/srv/shop")
 * @example as("deploy", git.cloned("git@git.example.org:shop.git", "shop", "stable"))
 */
export const cloned = defproplist({
  name: "git.cloned",
  args: cloneArgs,
  call,
  desc: ({ url, dest }) => `${dest} cloned from ${url}`,
  hostattrs: refusePassword,
  parts: ({ url, dest, branch }) => [needed(installed()), clone(url, dest, branch)],
});

/**
 * Like `git.cloned`, and in each deployment the clone gets the newest commit of `branch`, or of the branch that is checked out.
 * Local commits that the repository does not have stay where there is nothing new; where there is, it fails rather than merge
 * them. `branch` can be a tag or a commit, too: then that is checked out.
 *
 * @example git.pulled("https://git.example.org/shop.git", "/srv/shop", "main")
 */
export const pulled = defproplist({
  name: "git.pulled",
  args: cloneArgs,
  call,
  desc: ({ url, dest }) => `${dest} up to date with ${url}`,
  hostattrs: refusePassword,
  parts: ({ url, dest, branch }) => [
    needed(installed()),
    clone(url, dest, branch),
    upToDate(url, dest, branch),
  ],
});

/**
 * The configuration of the repository `repo`, a work tree or a bare one, has each of the settings, such as "user.name". Of a
 * key that has several values, this one is left. Settings of the user and of the system do not count. Needs no git.
 *
 * @example git.repoConfigured("/srv/shop", "receive.denyCurrentBranch", "updateInstead", "user.name", "Shop")
 * @example git.repoConfigured("/srv/git/shop.git", { "gc.auto": "0" })
 */
export const repoConfigured = defprop({
  name: "git.repoConfigured",
  kind: "posix",
  args: object({
    repo: path(),
    pairs: list(
      tuple<readonly [string, string]>(
        string({
          pattern: "^[A-Za-z0-9-]+\\.([^\\n\\r]+\\.)?[A-Za-z][A-Za-z0-9-]*$",
          description: 'a key of git, such as "user.name"',
        }),
        string({ pattern: "^[^\\n\\r]*$", description: "a value on one line" }),
      ),
      { minItems: 1 },
    ),
  }),
  call: (repo: string, ...pairs: Pairs) => ({ repo, pairs: pairsOf(pairs) }),
  desc: ({ repo, pairs }) => `${repo} has ${pairs.map(([key, value]) => `${key} = ${value}`).join(", ")}`,
  apply: async ({ repo, pairs }, target) =>
    target.editLines(await neededConfigOf(target, repo), (lines) => withGitSettings(lines, pairs)),
});
