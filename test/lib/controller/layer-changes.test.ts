import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { discardSandbox, sandboxChanges, whyNoClone } from "../../../lib/connection/sandbox";
import { fileChanges } from "../../../lib/controller/layer-changes";
import type { FileChange } from "../../../lib/model/changes";
import { openSandbox } from "../connection/_sandbox";

/** With `CI=true` nothing is skipped: the first test fails with the reason. */
const needsClone = { skip: process.env["CI"] === "true" ? false : (whyNoClone() ?? false) };
const name = `test-${process.pid}-changes`;

describe("the changes of a clone", needsClone, () => {
  before(async () => {
    const connection = await openSandbox(name);
    const channel = await connection.exec(
      `cd /srv; mkdir test-empty; chmod 711 test-empty; printf 'a\\nb\\n' >test-new; chmod 644 test-new
       printf 'key\\n' >test-secret; chmod 600 test-secret; ln -s nowhere test-link; printf 'x\\0' >test-binary; chmod 644 test-binary
       chmod 600 /etc/issue; chown 1:1 /etc/issue.net; rm /etc/debian_version`,
    );
    channel.stdin.end();
    assert.equal(await channel.exit, 0);
  });
  after(() => discardSandbox(name));

  test("are those that a deployment would report", async () => {
    const { outside, changes: differing } = await sandboxChanges(name);
    const changes = await fileChanges(outside, differing);
    const of = (path: string): Partial<FileChange> | undefined => changes.find((each) => each.path === path);
    assert.deepEqual(of("/srv/test-new"), {
      kind: "file",
      change: "created",
      path: "/srv/test-new",
      type: "file",
      content: { form: "diff", diff: "@@ -0,0 +1,2 @@\n+a\n+b\n", added: 2, removed: 0 },
      mode: { to: 0o644 },
    });
    assert.deepEqual(of("/srv/test-secret")?.content, { form: "secret", size: { to: 4 } });
    assert.equal(of("/srv/test-binary")?.content?.form, "binary");
    assert.deepEqual(of("/srv/test-link"), {
      kind: "file",
      change: "created",
      path: "/srv/test-link",
      type: "symlink",
      mode: { to: 0o777 },
      link: { to: "nowhere" },
    });
    assert.deepEqual(of("/srv/test-empty"), {
      kind: "file",
      change: "created",
      path: "/srv/test-empty",
      type: "directory",
      mode: { to: 0o711 },
    });
    assert.deepEqual(of("/etc/issue"), {
      kind: "file",
      change: "modified",
      path: "/etc/issue",
      type: "file",
      mode: { from: 0o644, to: 0o600 },
    });
    assert.deepEqual(of("/etc/issue.net"), {
      kind: "file",
      change: "modified",
      path: "/etc/issue.net",
      type: "file",
      owner: { from: "0:0", to: "1:1" },
    });
    assert.equal(of("/etc/debian_version")?.change, "removed");
  });
});
