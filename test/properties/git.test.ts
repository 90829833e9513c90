import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { onBothTargets } from "consfigurator/testing";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import * as git from "../../properties/git";
import * as os from "../../properties/os";
import { needsMachines, untilBaseIsBuilt } from "../support/machines";
import { bootSides, holds, holdsAfterwards, type Side, type Sides, succeeds } from "../support/sides";

test("what is no repository, branch or key is refused", () => {
  const url =
    'it must be the URL of a repository, such as "https://git.example.org/shop.git" or "git@git.example.org:shop.git", or an absolute path';
  for (const given of ["--upload-pack=x", "shop", "../shop", "https://a b"])
    assert.throws(() => git.cloned(given, "shop"), {
      name: "InvalidArguments",
      message: `git.cloned: args.url is ${JSON.stringify(given)}; ${url}`,
    });
  assert.throws(() => git.pulled("/srv/a.git", "/srv/a", "-f"), {
    message: 'git.pulled: args.branch is "-f"; it must be a branch, a tag or a commit, such as "main"',
  });
  assert.throws(() => git.repoConfigured("/srv/a", "name", "x"), {
    message: 'git.repoConfigured: args.pairs[0][0] is "name"; it must be a key of git, such as "user.name"',
  });
});

const refusal = (...applications: PropApp[]): string => {
  try {
    prepare({ name: "web1" }, eseqprops(...applications));
  } catch (error) {
    return (error as Error).message.replace(/ at \S+:\d+:\d+/g, "");
  }
  return "";
};

test("a host without packages, and a URL with a password, are refused before connecting", () => {
  assert.equal(
    refusal(os.linux(), git.installed()),
    "web1: git.installed(): it needs a debianlike system, but web1 runs linux",
  );
  assert.match(
    refusal(
      os.debianStable("bookworm", "amd64"),
      git.cloned("https://me:secret@example.org/a.git", "/srv/a"),
    ),
    /: the URL of https:\/\/example\.org\/a\.git has a password, which would be seen in the list of processes and in reports; leave it out, and put it in ~\/\.netrc with file\.secretUploaded, or use a key of ssh$/,
  );
});

test("repoConfigured edits the configuration of work trees, linked ones and bare repositories", (t) =>
  onBothTargets(t, async ({ apply, applyAgain, target }) => {
    for (const [file, text] of [
      ["tree/.git/config", '[core]\n\tbare = false\n[remote "origin"]\n\turl = /a\n\turl = /b\n'],
      ["main/.git/config", ""],
      ["main/.git/worktrees/linked/commondir", "../..\n"],
      ["linked/.git", "gitdir: ../main/.git/worktrees/linked\n"],
      ["bare/HEAD", "ref: refs/heads/main\n"],
      ["bare/config", "[core]\n\tbare = true\n"],
    ] as const)
      await target.ensureContent(file, text);
    const tree = git.repoConfigured("tree", {
      "user.name": 'A "B"',
      "remote.origin.url": "/a",
      "branch.x.y.merge": "refs/heads/x.y",
    });
    assert.equal(await apply(tree), "changed");
    await applyAgain(tree);
    assert.equal(
      await target.readFile("tree/.git/config"),
      '[core]\n\tbare = false\n[remote "origin"]\n\turl = /a\n# url = /b\n\n[branch "x.y"]\nmerge = refs/heads/x.y\n\n[user]\nname = "A \\"B\\""\n',
    );
    assert.equal(await apply(git.repoConfigured("linked", "gc.auto", "0")), "changed");
    assert.equal(await target.readFile("main/.git/config"), "[gc]\nauto = 0\n");
    assert.equal(await apply(git.repoConfigured("bare", "gc.auto", "0")), "changed");
    assert.equal(await target.readFile("bare/config"), "[core]\n\tbare = true\n\n[gc]\nauto = 0\n");
    await assert.rejects(apply(git.repoConfigured("none", "gc.auto", "0")), {
      name: "AbortedChange",
      message:
        'none is not a git repository; correct the path, or put git.cloned("https://…", "none") before this property',
    });
  }));

describe("git on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides({ withDependencies: true });
  }, untilBaseIsBuilt);
  after(() => sides?.stop());

  const messages = async (side: Side, application: PropApp) =>
    (await side.apply(application)).failures.map(({ name, message }) => `${name}: ${message}`);

  /** Names files of git that have the time in them. */
  const except = ["/srv/shop/.git", "/srv/origin.git", "/srv/work"];
  const commit = (name: string) =>
    `cd /srv/work && echo ${name} >${name} && git add ${name} && git -c user.name=a -c user.email=a@b commit -qm ${name} && git push -q origin HEAD`;

  test("installed", { timeout: 5 * 60_000 }, () =>
    sides.both(
      async (side) => {
        await holdsAfterwards(side, git.installed());
        await side.machine.run(
          "git init -q --bare -b main /srv/origin.git && git clone -q /srv/origin.git /srv/work 2>/dev/null",
        );
        await side.machine.run(`${commit("one")} && git tag v1`);
        await side.machine.run("cd /srv/work && git push -q --tags");
      },
      { except },
    ),
  );

  test("cloned: whole, or not at all", () =>
    sides.both(
      async (side) => {
        await side.machine.run("mkdir -p /srv/shop/old");
        assert.match(
          (await messages(side, git.cloned("/srv/none.git", "/srv/shop")))[0] ?? "",
          /^RunFailed: `git clone --quiet -- \/srv\/none\.git \S+` ended with exit code 128: fatal: repository '\/srv\/none\.git' does not exist$/,
        );
        assert.match(
          (await messages(side, git.cloned("/srv/origin.git", "/srv/shop", "none")))[0] ?? "",
          /^RunFailed: `git -C \S+ checkout --quiet none --` ended with exit code 128: fatal: invalid reference: none$/,
        );
        assert.equal(
          await side.machine.run("ls -A /srv/shop /srv"),
          "/srv:\norigin.git\nshop\nwork\n\n/srv/shop:\nold\n",
        );
        const shop = git.cloned("/srv/origin.git", "/srv/shop", "v1");
        await holdsAfterwards(side, shop);
        assert.equal(await side.machine.run("cd /srv/shop; ls; stat -c %a ."), "one\n755\n");
        await holds(side, git.cloned("/srv/origin.git", "/srv/shop"));
        await side.machine.run("git -C /srv/shop config --unset remote.origin.url");
        await holdsAfterwards(side, git.cloned("/srv/origin.git", "/srv/shop"));
      },
      { except },
    ));

  test("pulled: the newest commit, another branch, a tag; own commits stay", () =>
    sides.both(
      async (side) => {
        const shop = git.pulled("/srv/origin.git", "/srv/shop");
        const files = async () => (await side.machine.run("ls /srv/shop")).split("\n").join(" ").trim();
        await holds(side, shop);
        await side.machine.run(commit("two"));
        await holdsAfterwards(side, shop);
        assert.equal(await files(), "one two");
        await side.machine.run(`cd /srv/work && git checkout -q -b next && ${commit("three")}`);
        await holds(side, shop);
        await holdsAfterwards(side, git.pulled("/srv/origin.git", "/srv/shop", "next"));
        assert.equal(await files(), "one three two");
        await holdsAfterwards(side, git.pulled("/srv/origin.git", "/srv/shop", "v1"));
        assert.equal(await files(), "one");
        await holdsAfterwards(side, git.pulled("/srv/origin.git", "/srv/shop", "main"));
        await side.machine.run(
          "cd /srv/shop && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m own && git -C /srv/work checkout -q main",
        );
        await holds(side, git.pulled("/srv/origin.git", "/srv/shop", "main"));
        await side.machine.run(commit("four"));
        assert.match(
          (await messages(side, shop))[0] ?? "",
          /^RunFailed: .*merge.*: fatal: Not possible to fast-forward, aborting\.$/,
        );
      },
      { except },
    ));

  test("repoConfigured says what git reads", () =>
    sides.both(
      async (side) => {
        const pairs = {
          "user.name": "  A; #B ",
          "remote.origin.url": "/srv/origin.git",
          "branch.a.b.merge": "x",
        };
        await holdsAfterwards(side, git.repoConfigured("/srv/shop", pairs));
        for (const [key, value] of Object.entries(pairs))
          assert.equal(await side.machine.run(`git -C /srv/shop config ${key}`), `${value}\n`);
        assert.equal(
          (await succeeds(side.apply(git.repoConfigured("/srv/origin.git", "gc.auto", "0")))).change,
          "changed",
        );
        assert.equal(await side.machine.run("git -C /srv/origin.git config gc.auto"), "0\n");
      },
      { except },
    ));
});
