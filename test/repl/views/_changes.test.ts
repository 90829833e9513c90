import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { ContentChange, FileChange, HostChange } from "../../../lib/model/changes";
import { changeLines } from "../../../repl/views/_changes";

const columns = process.stdout.columns;
beforeEach(() => {
  process.stdout.columns = 80;
});
afterEach(() => {
  process.stdout.columns = columns;
});

const file = (more: Partial<FileChange>): FileChange => ({
  kind: "file",
  change: "modified",
  path: "/etc/conf",
  type: "file",
  ...more,
});

const diffOf = (lines: readonly string[], more: object = {}): ContentChange => ({
  form: "diff",
  diff: lines.map((line) => `${line}\n`).join(""),
  added: lines.filter((line) => line.startsWith("+")).length,
  removed: lines.filter((line) => line.startsWith("-")).length,
  ...more,
});

describe("a change in words", () => {
  const rows: [change: HostChange, line: string][] = [
    [file({ change: "created", mode: { to: 0o644 } }), "/etc/conf: created, mode 0644"],
    [file({ change: "created", type: "directory" }), "/etc/conf: created, directory"],
    [
      file({ change: "created", type: "symlink", link: { to: "/x" } }),
      "/etc/conf: created, symlink, link to /x",
    ],
    [file({ type: "symlink", link: { from: "/a", to: "/b" } }), "/etc/conf: link to /a → /b"],
    [file({ change: "removed" }), "/etc/conf: removed"],
    [file({ change: "removed", renamed: "/etc/other" }), "/etc/conf: removed, renamed to /etc/other"],
    [file({ mode: { from: 0o644, to: 0o4755 } }), "/etc/conf: mode 0644 → 04755"],
    [file({ owner: { from: "0:0", to: "1:2" } }), "/etc/conf: owner 0:0 → 1:2"],
    [
      file({ content: { form: "secret", size: { from: 32, to: 48 } } }),
      "/etc/conf: 32 bytes → 48 bytes (content not shown)",
    ],
    [
      file({ change: "created", content: { form: "secret", size: { to: 48 } } }),
      "/etc/conf: created, 48 bytes (content not shown)",
    ],
    [
      file({ content: { form: "binary", size: { from: 3, to: 4 }, sha256: { from: "aa11", to: "bb22" } } }),
      "/etc/conf: 3 bytes → 4 bytes (binary, sha256 aa11 → bb22)",
    ],
    [
      file({ content: { form: "large", size: { from: 3, to: 4 }, sha256: { to: "bb22" } } }),
      "/etc/conf: 3 bytes → 4 bytes (too large for a diff, sha256 bb22)",
    ],
    [{ kind: "package", name: "nginx", version: { to: "1.22" } }, "package nginx: install 1.22"],
    [{ kind: "package", name: "nginx", version: { from: "1.22" } }, "package nginx: remove 1.22"],
    [{ kind: "package", name: "nginx", version: { from: "1.22", to: "1.26" } }, "package nginx: 1.22 → 1.26"],
    [{ kind: "account", change: "created", name: "ana" }, "account ana: created"],
    [
      { kind: "account", change: "modified", name: "ana", detail: "shell: /bin/sh → /bin/bash" },
      "account ana: shell: /bin/sh → /bin/bash",
    ],
    [{ kind: "group", change: "removed", name: "web" }, "group web: removed"],
    [{ kind: "unit", unit: "nginx.service", change: "restarted" }, "unit nginx.service: restarted"],
    [{ kind: "mount", change: "mounted", path: "/srv" }, "/srv: mounted"],
    [{ kind: "command", command: "make\ninstall" }, "run make install"],
  ];
  for (const [change, line] of rows)
    test(line, () => assert.deepEqual(changeLines([change], "  "), [`  ${line}`]));

  test("a command is shown only when nothing else tells what it changes", () => {
    const command: HostChange = { kind: "command", command: "useradd ana" };
    const account: HostChange = { kind: "account", change: "created", name: "ana" };
    assert.deepEqual(changeLines([command, account], ""), ["account ana: created"]);
    assert.deepEqual(changeLines([command], ""), ["run useradd ana"]);
  });
});

describe("a diff", () => {
  test("follows its file, and is counted", () => {
    const content = diffOf(["@@ -1,2 +1,2 @@", " same", "-old", "+new"]);
    assert.deepEqual(changeLines([file({ content })], "    "), [
      "    /etc/conf: +1 -1",
      "    @@ -1,2 +1,2 @@",
      "     same",
      "    -old",
      "    +new",
    ]);
  });

  test("fits into 80 columns", () => {
    const content = diffOf(["@@ -0,0 +1 @@", `+${"x".repeat(200)}`]);
    const lines = changeLines([file({ path: `/etc/${"long".repeat(30)}`, content })], "    ");
    assert.ok(
      lines.every((line) => line.length <= 80),
      lines.join("\n"),
    );
    assert.equal(lines.at(-1), `    +${"x".repeat(74)}…`);
  });

  test("of 4,000 changed lines is folded in the middle, and whole when everything is asked for", () => {
    const content = diffOf([
      "@@ -0,0 +1,4000 @@",
      ...Array.from({ length: 4000 }, (_, index) => `+line ${index}`),
    ]);
    const lines = changeLines([file({ content })], "");
    assert.equal(lines.length, 26);
    assert.equal(lines[0], "/etc/conf: +4000");
    assert.equal(lines[12], "+line 10");
    assert.equal(lines[13], "… 3977 more lines; .report shows them all");
    assert.equal(lines[14], "+line 3988");
    assert.equal(lines.at(-1), "+line 3999");
    assert.equal(changeLines([file({ content })], "", true).length, 4002);
  });

  test("that was cut says so", () => {
    const content = diffOf(["@@ -0,0 +1,2 @@", "+a"], { added: 5000, cut: true });
    assert.deepEqual(changeLines([file({ content })], ""), [
      "/etc/conf: +5000",
      "@@ -0,0 +1,2 @@",
      "+a",
      "… the rest of this diff is left out: it is too long to be kept",
    ]);
  });

  test("shows control characters", () => {
    const content = diffOf(["@@ -1 +1 @@", "-a\r", "+a\u001b[31m\u0007\tb\u202ec"]);
    assert.deepEqual(changeLines([file({ content })], "").slice(2), ["-a␍", "+a␛[31m␇\tb<U+202E>c"]);
  });

  test("of nothing but an empty file", () => {
    assert.deepEqual(changeLines([file({ change: "created", content: diffOf([]) })], ""), [
      "/etc/conf: created, no line",
    ]);
  });
});
