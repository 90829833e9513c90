/** Snapshots of repositories on a real host without git. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { unapplied } from "../../lib/combinators";
import { registerDataSource } from "../../lib/data/register";
import { filesTree, gitSnapshot } from "../../lib/data/sources";
import { dataSources } from "../../lib/model/data-source";
import type { PropApp } from "../../lib/model/property";
import * as via from "../../lib/via";
import * as git from "../../properties/git";
import { assertOk, type Rig, rig } from "../lib/agent/_rig";
import { limit } from "../support/load";
import { needsMachines } from "../support/machines";

describe("git.snapshotExtracted", needsMachines(), () => {
  let on: Rig;
  const repo = () => path.join(on.consfig, "repo");
  const run = (...words: string[]) =>
    execFileSync("git", ["-C", repo(), "-c", "user.name=A", "-c", "user.email=a@example.org", ...words], {
      encoding: "utf8",
    }).trim();
  const commit = (text: string) => {
    writeFileSync(path.join(repo(), "page.html"), text);
    run("add", ".");
    run("commit", "-q", "-m", text);
  };
  before(async () => {
    on = await rig();
    mkdirSync(repo());
    run("init", "-q", "-b", "main");
    commit("one");
    on.write({ "data/--git-snapshot/broken": "no archive" });
    registerDataSource(gitSnapshot({ name: "site", repo: repo() }), filesTree(path.join(on.consfig, "data")));
  });
  after(async () => {
    dataSources.restore(new Map());
    await on?.stop();
  });

  for (const kind of ["agent", "shell"] as const)
    test(`${kind}: is extracted once, or replaced when its commit is another`, {
      timeout: limit(120),
    }, async () => {
      const hops = [on.ssh(), ...(kind === "agent" ? [via.agent()] : [])];
      const status = async (application: PropApp) => {
        const report = await on.deploy([application], hops);
        assertOk(report);
        return report.status;
      };
      const once = git.snapshotExtracted("site", `/srv/${kind}`);
      const replaced = git.snapshotExtracted("site", `/srv/${kind}`, { replace: true });
      const found = () =>
        on.machine.run(`cd /srv/${kind}; ls -A; cat site/page.html; stat -c ' %U' site/page.html`);
      const page = run("show", "HEAD:page.html");
      assert.equal(await status(once), "changed");
      assert.equal(await found(), `site\n${page} root\n`);
      assert.equal(await status(replaced), "unchanged");
      commit(`${page}, then ${kind}`);
      assert.equal(await status(once), "unchanged");
      assert.equal(await status(replaced), "changed");
      assert.equal(await found(), `site\n${page}, then ${kind} root\n`);
      assert.equal(
        execFileSync(
          "git",
          [
            "-C",
            path.join(on.machine.root, `srv/${kind}/site`),
            "-c",
            "safe.directory=*",
            "log",
            "-1",
            "--format=%H",
          ],
          { encoding: "utf8" },
        ).trim(),
        run("rev-parse", "HEAD"),
      );
      assert.equal(await status(unapplied(replaced)), "changed");
      assert.equal(await on.machine.run(`ls -A /srv/${kind}`), "");
      const report = await on.deploy([git.snapshotExtracted("broken", `/srv/${kind}`)], hops);
      assert.match(report.failed[0]?.failure?.message ?? "", /^`tar -x -z -o -f -` ended with exit code 2: /);
      assert.equal(await on.machine.run(`ls -A /srv/${kind}`), "");
    });
});
