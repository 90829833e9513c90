import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import type { ContentChange, FileChange } from "../../../lib/model/changes";
import { type FileImage, fileChange, MOST_DIFFED } from "../../../lib/target/file-change";
import { promised } from "../../support/load";

const image = (content: string | Buffer, mode = 0o644): FileImage => {
  const bytes = Buffer.from(content);
  return { bytes, size: bytes.length, mode };
};

const changeOf = (before: FileImage | undefined, after: FileImage | undefined): Promise<FileChange> =>
  fileChange("/etc/conf", before, after);

/** The diff from `before` to `after`, and how many lines it counts. */
async function diffOf(before: string | undefined, after: string): Promise<[diff: string, counts: string]> {
  const { content } = await changeOf(before === undefined ? undefined : image(before), image(after));
  if (content?.form !== "diff") throw new Error(`it is ${content?.form}`);
  return [content.diff, `+${content.added} -${content.removed}${content.cut ? " cut" : ""}`];
}

const sha = (content: string | Buffer): string =>
  createHash("sha256").update(content).digest("hex").slice(0, 16);

describe("a change of a file", () => {
  test("says only what differs", async () => {
    const head = { kind: "file", path: "/etc/conf", type: "file" };
    assert.deepEqual(await changeOf(image("a\n"), image("a\n", 0o600)), {
      ...head,
      change: "modified",
      mode: { from: 0o644, to: 0o600 },
    });
    assert.deepEqual(await changeOf(undefined, image("a\n")), {
      ...head,
      change: "created",
      content: { form: "diff", diff: "@@ -0,0 +1 @@\n+a\n", added: 1, removed: 0 },
      mode: { to: 0o644 },
    });
    assert.deepEqual(await changeOf(image("a\n"), undefined), {
      ...head,
      change: "removed",
      content: { form: "diff", diff: "@@ -1 +0,0 @@\n-a\n", added: 0, removed: 1 },
      mode: { from: 0o644 },
    });
  });
});

describe("a diff", () => {
  const rows: Record<string, [before: string | undefined, after: string, diff: string, counts: string]> = {
    "of a new file": [undefined, "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n", "+2 -0"],
    "of a new, empty file": [undefined, "", "", "+0 -0"],
    "of a file that is emptied": ["a\n", "", "@@ -1 +0,0 @@\n-a\n", "+0 -1"],
    "of one line among others": [
      "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
      "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
      "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n",
      "+1 -1",
    ],
    "of lines far from each other": [
      "a\n1\n2\n3\n4\n5\n6\n7\nb\n",
      "A\n1\n2\n3\n4\n5\n6\n7\nB\n",
      "@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n",
      "+2 -2",
    ],
    "of a newline at the end that was missing": [
      "a\nb",
      "a\nb\n",
      "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n",
      "+1 -1",
    ],
    "of a file without a newline at the end": [
      undefined,
      "a",
      "@@ -0,0 +1 @@\n+a\n\\ No newline at end of file\n",
      "+1 -0",
    ],
    "of carriage returns": ["a\r\nb\r\n", "a\r\nb\n", "@@ -1,2 +1,2 @@\n a\r\n-b\r\n+b\n", "+1 -1"],
    "of lines that look like a diff": [
      "--- a\n",
      "+++ b\n@@ -1 +1 @@\n",
      "@@ -1 +1,2 @@\n---- a\n++++ b\n+@@ -1 +1 @@\n",
      "+2 -1",
    ],
    "of letters outside ASCII": ["grün\n", "grün ✓\n", "@@ -1 +1 @@\n-grün\n+grün ✓\n", "+1 -1"],
  };
  for (const [name, [before, after, diff, counts]] of Object.entries(rows))
    test(name, async () => assert.deepEqual(await diffOf(before, after), [diff, counts]));

  test("of 4,000 changed lines takes no time, and counts them all", async () => {
    const lines = (word: string) => Array.from({ length: 4000 }, (_, index) => `${word} ${index}\n`).join("");
    const inTime = promised(2, "a diff of 4,000 changed lines");
    const [diff, counts] = await diffOf(`first\n${lines("before")}last\n`, `first\n${lines("after")}last\n`);
    inTime();
    assert.equal(counts, "+4000 -4000");
    assert.ok(diff.startsWith("@@ -2,4000 +2,4000 @@\n-before 0\n-before 1\n"), diff.slice(0, 100));
    assert.ok(diff.endsWith("+after 3999\n"));
  });

  test("of every second of 8,000 lines is one block", async () => {
    const lines = (word: string) =>
      Array.from({ length: 8000 }, (_, index) => `${index % 2 ? word : "same"} ${index}\n`).join("");
    const inTime = promised(2, "a diff of every second line");
    const [diff, counts] = await diffOf(lines("before"), lines("after"));
    inTime();
    assert.equal(counts.replace(" cut", ""), "+7999 -7999");
    assert.ok(diff.startsWith("@@ -2,7999 +2,7999 @@\n-before 1\n-same 2\n"), diff.slice(0, 100));
  });

  test("of a block at the end keeps what is known of the last newline", async () => {
    const lines = (word: string, end: string) =>
      Array.from({ length: 1000 }, (_, index) => `${word} ${index}`).join("\n") + end;
    const [without, counts] = await diffOf(lines("before", ""), lines("after", "\n"));
    assert.ok(without.startsWith("@@ -1,1000 +1,1000 @@\n-before 0\n"), without.slice(0, 60));
    assert.ok(
      without.includes("-before 999\n\\ No newline at end of file\n+after 0\n"),
      without.slice(11_000, 16_000),
    );
    assert.ok(without.endsWith("+after 999\n"));
    assert.equal(counts, "+1000 -1000");
  });

  test("that is too long is cut at a line, and counts all of it", async () => {
    const long = `${"x".repeat(99)}\n`.repeat(5000);
    const [diff, counts] = await diffOf(undefined, long);
    assert.equal(counts, "+5000 -0 cut");
    assert.ok(diff.length <= 256 * 1024);
    assert.ok(diff.endsWith(`\n+${"x".repeat(99)}\n`));
  });
});

describe("content that is not shown", () => {
  const rows: Record<string, [before: FileImage | undefined, after: FileImage | undefined, ContentChange]> = {
    "not everyone may read the file": [
      image("password\n", 0o640),
      image("passphrase\n", 0o640),
      { form: "secret", size: { from: 9, to: 11 } },
    ],
    "not everyone may read the file afterwards": [
      image("password\n"),
      image("passphrase\n", 0o600),
      { form: "secret", size: { from: 9, to: 11 } },
    ],
    "not everyone could read the file before": [
      image("password\n", 0o600),
      image("passphrase\n"),
      { form: "secret", size: { from: 9, to: 11 } },
    ],
    "a new secret": [undefined, image("secret\n", 0o400), { form: "secret", size: { to: 7 } }],
    "a secret is removed": [image("secret\n", 0o400), undefined, { form: "secret", size: { from: 7 } }],
    "a secret that is binary": [
      undefined,
      image(Buffer.from([0, 1]), 0o600),
      { form: "secret", size: { to: 2 } },
    ],
    "it is no text": [
      image("text"),
      image(Buffer.from([1, 0, 2])),
      {
        form: "binary",
        size: { from: 4, to: 3 },
        sha256: { from: sha("text"), to: sha(Buffer.from([1, 0, 2])) },
      },
    ],
    "it is large": [
      image("text\n"),
      image("x".repeat(MOST_DIFFED + 1)),
      {
        form: "large",
        size: { from: 5, to: MOST_DIFFED + 1 },
        sha256: { from: sha("text\n"), to: sha("x".repeat(MOST_DIFFED + 1)) },
      },
    ],
    "it was not fetched": [
      { size: 5_000_000, bytes: undefined, mode: 0o644 },
      image("text\n"),
      { form: "large", size: { from: 5_000_000, to: 5 }, sha256: { to: sha("text\n") } },
    ],
  };
  for (const [name, [before, after, content]] of Object.entries(rows))
    test(`as ${name}`, async () => assert.deepEqual((await changeOf(before, after)).content, content));
});
