import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { argumentsOf, type DataSource } from "../model/data-source";
import { integer, object, optional, string } from "../model/schema";
import { fromSiteRoot } from "../model/site";
import { outputOf } from "./_run";
import { named, refuseMissing } from "./_source";

const args = argumentsOf(
  gitSnapshot,
  object({
    name: string({ pattern: "^[A-Za-z0-9][A-Za-z0-9._-]*$", description: "the name of a directory" }),
    repo: string({ minLength: 1 }),
    branch: optional(string({ pattern: "^[^-\\s][^\\s]*$", description: "the name of a branch" })),
    depth: optional(integer({ minimum: 1 })),
  }),
);

/**
 * A local git repository, as (`--git-snapshot`, NAME): a compressed tar archive of a clone in the directory NAME, without
 * remotes, so that a host gets the tree and its history and needs no git to unpack it. `branch`: default, the one that is
 * checked out. `depth`: so many commits of history. The version is the commit.
 *
 * @example registerDataSource(source.gitSnapshot({ name: "site", repo: "~/src/site" }))
 */
export function gitSnapshot(options: {
  readonly name: string;
  readonly repo: string;
  readonly branch?: string;
  readonly depth?: number;
}): DataSource {
  const shown = named("gitSnapshot", args, options, gitSnapshot);
  const { name, branch = "HEAD", depth } = options;
  const repo = fromSiteRoot(options.repo);
  const isIt = (iden1: string, iden2: string) => iden1 === "--git-snapshot" && iden2 === name;
  return {
    name: shown,
    version: async (iden1, iden2) => {
      if (!isIt(iden1, iden2)) return undefined;
      refuseMissing(repo, "directory");
      const shows = ["log", "-1", "--format=%ct.%H", "--end-of-options", branch, "--"];
      return (await git(repo, ...shows)).trim();
    },
    get: () => archived(repo, { name, branch, depth }),
  };
}

const git = async (repo: string, ...words: readonly string[]): Promise<string> =>
  (await outputOf(["git", "-C", repo, ...words])).toString("utf8");

async function archived(
  repo: string,
  { name, branch, depth }: { name: string; branch: string; depth: number | undefined },
): Promise<Buffer> {
  const scratch = await mkdtemp(path.join(tmpdir(), "consfigurator-snapshot-"));
  try {
    const clone = path.join(scratch, name);
    const limits = [
      ...(branch === "HEAD" ? [] : ["--branch", branch]),
      ...(depth === undefined ? [] : ["--depth", `${depth}`]),
    ];
    await outputOf(["git", "clone", "--quiet", "--no-hardlinks", ...limits, "--", `file://${repo}`, clone]);
    await git(clone, "remote", "remove", "origin");
    const owner = ["--owner=0", "--group=0", "--numeric-owner", "--sort=name"];
    return await outputOf(["tar", "--create", "--gzip", ...owner, "--directory", scratch, "--", name]);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
