import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { test } from "node:test";
import { onBothTargets } from "consfigurator/testing";
import { prepare } from "../../lib/engine/prepare";
import { definitionOf } from "../../lib/model/application";
import { type PropApp, properties } from "../../lib/model/property";
import { file } from "../../properties";

/** The content of the file `f`; null: it does not exist. `unapplied` is the content after unapplying. */
interface Case {
  readonly title: string;
  readonly before: string | null;
  readonly application: PropApp;
  readonly after: string | null;
  readonly unapplied?: string | null;
}

const cases: readonly Case[] = [
  {
    title: "hasContent, lines",
    before: null,
    application: file.hasContent("f", ["a", "b"]),
    after: "a\nb\n",
  },
  {
    title: "hasContent, a string",
    before: "old\n",
    application: file.hasContent("f", "a\nb"),
    after: "a\nb\n",
  },
  {
    title: "hasContent, a string with a final newline",
    before: null,
    application: file.hasContent("f", "a\n"),
    after: "a\n",
  },
  { title: "hasContent, no lines", before: "old", application: file.hasContent("f", []), after: "" },
  { title: "hasContent, an empty string", before: null, application: file.hasContent("f", ""), after: "" },
  {
    title: "hasContent, special characters",
    before: null,
    application: file.hasContent("f", "é\0\r\n$x `y`\n"),
    after: "é\0\r\n$x `y`\n",
  },
  {
    title: "existsWithContent",
    before: "x",
    application: file.existsWithContent("f", "y"),
    after: "y\n",
    unapplied: null,
  },
  {
    title: "existsWithContent, no file",
    before: null,
    application: file.existsWithContent("f", "y"),
    after: "y\n",
    unapplied: null,
  },
  {
    title: "containsLines",
    before: "a\nb\n",
    application: file.containsLines("f", "b", "c", "d"),
    after: "a\nb\nc\nd\n",
    unapplied: "a\n",
  },
  {
    title: "containsLines, no file",
    before: null,
    application: file.containsLines("f", "a"),
    after: "a\n",
    unapplied: null,
  },
  {
    title: "containsLines, nothing to do",
    before: "a\na",
    application: file.containsLines("f", "a"),
    after: "a\na",
    unapplied: "",
  },
  {
    title: "containsLines, no final newline",
    before: "a",
    application: file.containsLines("f", "b"),
    after: "a\nb\n",
    unapplied: "a\n",
  },
  {
    title: "containsLines, the same line twice",
    before: "",
    application: file.containsLines("f", "a", "a"),
    after: "a\n",
  },
  {
    title: "containsLines, a list",
    before: "",
    application: file.containsLines("f", ["a", "b"], "c"),
    after: "a\nb\nc\n",
  },
  {
    title: "containsLines, only whole lines",
    before: "xa\na \n",
    application: file.containsLines("f", "a"),
    after: "xa\na \na\n",
  },
  {
    title: "containsLines, CRLF",
    before: "a\r\nb\r\n",
    application: file.containsLines("f", "b", "c"),
    after: "a\r\nb\r\nc\r\n",
    unapplied: "a\r\n",
  },
  {
    title: "containsLines, CR",
    before: "a\rb\r",
    application: file.containsLines("f", "c"),
    after: "a\rb\rc\r",
  },
  {
    title: "containsLines, a lone CR",
    before: "a\rb\n",
    application: file.containsLines("f", "c"),
    after: "a\rb\nc\n",
  },
  {
    title: "containsLines, mixed line endings",
    before: "a\r\nb\nc\n",
    application: file.containsLines("f", "d"),
    after: "a\r\nb\nc\nd\n",
  },
  {
    title: "lacksLines",
    before: "a\nb\na\nab\n",
    application: file.lacksLines("f", "a", "x"),
    after: "b\nab\n",
  },
  { title: "lacksLines, no file", before: null, application: file.lacksLines("f", "a"), after: null },
  { title: "lacksLines, all of them", before: "a\n", application: file.lacksLines("f", "a"), after: "" },
  {
    title: "lacksLines, CRLF and nothing to do",
    before: "a\r\nb",
    application: file.lacksLines("f", "x"),
    after: "a\r\nb",
  },
  {
    title: "lacksLinesMatching",
    before: "foo 1\nFoo 2\nbar\n",
    application: file.lacksLinesMatching("f", "o+ \\d", /^z/),
    after: "bar\n",
  },
  {
    title: "lacksLinesMatching, flags",
    before: "FOO\nx\n",
    application: file.lacksLinesMatching("f", /foo/i),
    after: "x\n",
  },
  {
    title: "lacksLinesMatching, no file",
    before: null,
    application: file.lacksLinesMatching("f", "."),
    after: null,
  },
  {
    title: "regexReplacedLines",
    before: "a=1 a=2\nb\n",
    application: file.regexReplacedLines("f", "a=(\\d)", "<$1$&>"),
    after: "<1a=1> a=2\nb\n",
  },
  {
    title: "regexReplacedLines, names",
    before: "k: v\n",
    application: file.regexReplacedLines("f", /^(?<k>\w+): /, "$<k>="),
    after: "k=v\n",
  },
  {
    title: "regexReplacedLines, no file",
    before: null,
    application: file.regexReplacedLines("f", "a", "b"),
    after: null,
  },
  {
    title: "containsConfSpace",
    before: "#Port 22\n",
    application: file.containsConfSpace("f", "Port", "23", "X", "y z"),
    after: "Port 23\nX y z\n",
  },
  {
    title: "containsConfTab, an object",
    before: null,
    application: file.containsConfTab("f", { UMASK: "027" }),
    after: "UMASK\t027\n",
  },
  {
    title: "containsConfEquals, pairs",
    before: "a=1\n",
    application: file.containsConfEquals("f", [
      ["a", "2"],
      ["1", "x"],
    ]),
    after: "a = 2\n1 = x\n",
  },
  {
    title: "containsConfUnspaced",
    before: "a=1\r\n",
    application: file.containsConfUnspaced("f", "b", "2"),
    after: "a=1\r\nb=2\r\n",
  },
  {
    title: "containsConfShell",
    before: null,
    application: file.containsConfShell("f", "A", "x y"),
    after: 'A="x y"\n',
  },
  {
    title: "containsIniSettings",
    before: null,
    application: file.containsIniSettings("f", ["s", "a", "1"], [null, "b", "2"]),
    after: "b=2\n\n[s]\na=1\n",
  },
];

for (const { title, before, application, after, unapplied } of cases) {
  test(title, (t) =>
    onBothTargets(t, async ({ dir, apply, applyAgain, unapply }) => {
      const content = () => (existsSync(`${dir}/f`) ? readFileSync(`${dir}/f`, "utf8") : null);
      if (before !== null) writeFileSync(`${dir}/f`, before);
      if (after === before) await applyAgain(application);
      else assert.equal(await apply(application), "changed");
      assert.equal(content(), after);
      if (title !== "regexReplacedLines") await applyAgain(application);
      if (unapplied === undefined) return;
      assert.equal(await unapply(application), "changed");
      assert.equal(content(), unapplied);
      assert.equal(await unapply(application), "unchanged");
    }),
  );
}

test("bytes that are not UTF-8 stay", (t) =>
  onBothTargets(t, async ({ dir, apply, applyAgain }) => {
    writeFileSync(`${dir}/f`, Buffer.from("# gr\xfc\xdfe\xed\xb0\x80\nb=1\n", "latin1"));
    const application = file.containsConfUnspaced("f", "b", "grüße");
    assert.equal(await apply(application), "changed");
    assert.deepEqual(
      readFileSync(`${dir}/f`),
      Buffer.concat([Buffer.from("# gr\xfc\xdfe\xed\xb0\x80\n", "latin1"), Buffer.from("b=grüße\n")]),
    );
    await applyAgain(application);
  }));

test("parent directories are created, with mode 0755", (t) =>
  onBothTargets(t, async ({ dir, apply }) => {
    for (const application of [
      file.hasContent("a/b/f", "x"),
      file.existsWithContent("c/d/f", "x", { mode: 0o600 }),
      file.containsLines("e/f", "x"),
      file.containsIniSettings("g/f", ["a", "b", "c"]),
      file.containsConfSpace("h/f", "a", "b"),
      file.symlinked({ from: "i/j", to: "k" }),
    ]) {
      assert.equal(await apply(application), "changed");
    }
    for (const made of ["a", "a/b", "c/d", "e", "g", "h", "i"])
      assert.equal(lstatSync(`${dir}/${made}`).mode & 0o7777, 0o755, made);
    assert.equal(lstatSync(`${dir}/c/d/f`).mode & 0o7777, 0o600);
  }));

test("names with special characters", (t) =>
  onBothTargets(t, async ({ dir, apply, applyAgain, unapply }) => {
    for (const name of ["a b", "it's", '"$HOME"', "-rf", "`x`;\\", "*", "ü", "a\tb", "#", "~"]) {
      const application = file.existsWithContent(`${name}/${name}`, name);
      assert.equal(await apply(application), "changed", name);
      assert.equal(readFileSync(`${dir}/${name}/${name}`, "utf8"), `${name}\n`);
      await applyAgain(application);
      assert.equal(await apply(file.hasMode(`${name}/${name}`, 0o600)), "changed", name);
      assert.equal(await apply(file.symlinked({ from: `${name}/l`, to: name })), "changed", name);
      assert.equal(await apply(file.isCopyOf(`${name}/copy`, `${name}/l`)), "changed", name);
      assert.equal(readFileSync(`${dir}/${name}/copy`, "utf8"), `${name}\n`);
      assert.equal(await unapply(application), "changed", name);
      assert.equal(await apply(file.directoryDoesNotExist(name)), "changed", name);
    }
  }));

test("hasMode", (t) =>
  onBothTargets(t, async ({ dir, apply, applyAgain }) => {
    writeFileSync(`${dir}/f`, "");
    symlinkSync("f", `${dir}/link`);
    for (const mode of [0o4755, 0o2750, 0o1777, 0o600, 0]) {
      assert.equal(await apply(file.hasMode("link", mode)), "changed");
      assert.equal(lstatSync(`${dir}/f`).mode & 0o7777, mode);
      await applyAgain(file.hasMode("f", mode));
    }
    await assert.rejects(apply(file.hasMode("gone", 0o600)), {
      name: "FailedChange",
      message: "cannot set the mode of gone: no such file or directory",
    });
  }));

test("hasOwnership", (t) =>
  onBothTargets(t, async ({ dir, apply, applyAgain, target }) => {
    writeFileSync(`${dir}/f`, "");
    const { uid, gid, user } = await target.identity();
    await applyAgain(file.hasOwnership("f", { user }));
    await applyAgain(file.hasOwnership("f", { user: uid, group: String(gid) }));
    await assert.rejects(apply(file.hasOwnership("gone", { user })), {
      name: "FailedChange",
      message: "cannot set the owner of gone: no such file or directory",
    });
    await assert.rejects(apply(file.hasOwnership("f", { group: "no-such-group" })), {
      name: "FailedChange",
      message: "cannot set the owner of f: there is no group no-such-group on this host",
    });
    await assert.rejects(apply(file.hasOwnership("f", {})), /give a user, a group, or both/);
    if (uid !== 0) return;
    assert.equal(await apply(file.hasOwnership("f", { user: "daemon", group: "mail" })), "changed");
    await applyAgain(file.hasOwnership("f", { user: "daemon", group: "mail" }));
    assert.equal(await apply(file.hasOwnership("f", { group: 4321 })), "changed");
    assert.deepEqual([lstatSync(`${dir}/f`).uid, lstatSync(`${dir}/f`).gid], [1, 4321]);
  }));

test("doesNotExist", (t) =>
  onBothTargets(t, async ({ dir, apply, applyAgain, check }) => {
    writeFileSync(`${dir}/f`, "");
    symlinkSync("gone", `${dir}/dangling`);
    mkdirSync(`${dir}/d`);
    const application = file.doesNotExist("f", "dangling", "gone");
    assert.equal(await check(application), false);
    assert.equal(await apply(application), "changed");
    assert.equal(await check(application), true);
    await applyAgain(application);
    writeFileSync(`${dir}/f`, "");
    await assert.rejects(apply(file.doesNotExist("f", "d")), {
      name: "AbortedChange",
      message: "d is a directory; delete it with file.directoryDoesNotExist",
    });
    assert.ok(existsSync(`${dir}/f`));
  }));

test("directoryExists, containingDirectoryExists", (t) =>
  onBothTargets(t, async ({ dir, apply, applyAgain }) => {
    assert.equal(await apply(file.directoryExists("a/b")), "changed");
    await applyAgain(file.directoryExists("a/b/"));
    assert.equal(await apply(file.containingDirectoryExists(`${dir}/c/d/`)), "changed");
    assert.ok(!existsSync(`${dir}/c/d`));
    await applyAgain(file.containingDirectoryExists("c/x"));
    await applyAgain(file.containingDirectoryExists("x"));
    writeFileSync(`${dir}/f`, "");
    await assert.rejects(apply(file.directoryExists("f")), {
      name: "FailedChange",
      message: "cannot make the directory f: there is something else of that name",
    });
    await assert.rejects(apply(file.directoryExists("f/g")), {
      name: "FailedChange",
      message: "cannot make the directory f/g: not a directory",
    });
  }));

test("directoryDoesNotExist, emptyDirectoryDoesNotExist", (t) =>
  onBothTargets(t, async ({ dir, apply, applyAgain }) => {
    mkdirSync(`${dir}/full/inside`, { recursive: true });
    writeFileSync(`${dir}/full/.hidden`, "");
    mkdirSync(`${dir}/empty`);
    mkdirSync(`${dir}/-e m`);
    writeFileSync(`${dir}/f`, "");
    symlinkSync("full", `${dir}/link`);
    symlinkSync("empty", `${dir}/toEmpty`);
    await assert.rejects(apply(file.directoryDoesNotExist("full", "link")), {
      name: "AbortedChange",
      message: "link is a link to a directory; delete it with file.doesNotExist",
    });
    const empties = file.emptyDirectoryDoesNotExist(
      "full",
      `${dir}/empty`,
      `${dir}/-e m`,
      "f",
      "toEmpty",
      "gone",
    );
    assert.equal(await apply(empties), "changed");
    await applyAgain(empties);
    assert.ok(existsSync(`${dir}/full/inside`));
    assert.equal(await apply(file.directoryDoesNotExist("gone", "full", "f")), "changed");
    await applyAgain(file.directoryDoesNotExist("gone", "full", "f"));
    assert.ok(existsSync(`${dir}/f`));
  }));

test("symlinked", (t) =>
  onBothTargets(t, async ({ dir, apply, applyAgain, unapply }) => {
    mkdirSync(`${dir}/directory`);
    const application = file.symlinked({ from: "link", to: "directory" });
    assert.equal(await apply(application), "changed");
    await applyAgain(application);
    assert.equal(await apply(file.symlinked({ from: "link", to: "../no where" })), "changed");
    assert.equal(readlinkSync(`${dir}/link`), "../no where");
    assert.equal(await apply(application), "changed");
    assert.equal(await unapply(file.symlinked({ from: "link", to: "anywhere" })), "changed");
    assert.equal(await unapply(application), "unchanged");
    await assert.rejects(apply(file.symlinked({ from: "directory", to: "x" })), {
      name: "FailedChange",
      message: "cannot make the link directory: there is something of that name that is not a link",
    });
    assert.equal(await unapply(file.symlinked({ from: "directory", to: "x" })), "unchanged");
  }));

test("isCopyOf", (t) =>
  onBothTargets(t, async ({ dir, apply, applyAgain, check }) => {
    writeFileSync(`${dir}/source`, "some bytes\0");
    chmodSync(`${dir}/source`, 0o640);
    symlinkSync("source", `${dir}/link`);
    symlinkSync("elsewhere", `${dir}/copy`);
    const application = file.isCopyOf("copy", "link");
    assert.equal(await check(application), false);
    assert.equal(await apply(application), "changed");
    assert.ok(lstatSync(`${dir}/copy`).isFile());
    await applyAgain(application);
    chmodSync(`${dir}/copy`, 0o600);
    await applyAgain(application);
    assert.equal(await apply(file.isCopyOf("copy", "source", { compareMetadata: true })), "changed");
    assert.equal(lstatSync(`${dir}/copy`).mode & 0o7777, 0o640);
    writeFileSync(`${dir}/source`, "some bytes!");
    assert.equal(await check(application), false);
    assert.equal(await apply(application), "changed");
    await assert.rejects(apply(file.isCopyOf("copy", "gone")), {
      name: "FailedChange",
      message: "cannot copy gone to copy: no such file or directory",
    });
    mkdirSync(`${dir}/d`);
    await assert.rejects(apply(file.isCopyOf("d", "source")), {
      name: "FailedChange",
      message: "cannot copy source to d: it is a directory",
    });
  }));

test("files of another grammar are refused before connecting", () => {
  const refusals: readonly (readonly [PropApp, string])[] = [
    [
      file.containsConfSpace("/etc/ssh/sshd_config", "Port", "22"),
      "file.containsConfSpace would write lines that are wrong in /etc/ssh/sshd_config, which has a grammar of its own; use sshd.configured",
    ],
    [file.containsConfSpace("/etc/ssh//sshd_config.d/a.conf", "Port", "22"), "use sshd.configured"],
    [file.containsConfSpace("/etc/ssh/ssh_config", "Port", "22"), "use ssh.systemConfigured"],
    [file.containsConfTab(".ssh/config", "Port", "22"), "use ssh.configured"],
    [file.containsConfSpace("/home/a/.ssh/authorized_keys", "ssh-rsa", "AAAA"), "use ssh.authorizedKeys"],
    [file.containsConfTab("/etc/hosts", "127.0.0.1", "x"), "use hosts.has"],
    [
      file.containsConfUnspaced("/etc/systemd/journald.conf", "Storage", "none"),
      "use file.containsIniSettings",
    ],
    [file.containsConfEquals("/etc/samba/smb.conf", "workgroup", "A"), "use file.containsIniSettings"],
    [file.containsConfEquals("own.ini", "a", "b"), "use file.containsIniSettings"],
    [file.containsIniSettings("/etc/ssh/sshd_config", [null, "a", "b"]), "use sshd.configured"],
    [file.containsConfEquals("/etc/app.yaml", "a", "b"), "use file.hasContent"],
  ];
  for (const [application, words] of refusals)
    assert.throws(
      () => prepare({ name: "h" }, application),
      (error: Error) => error.message.includes(words),
      `${application.property} ${JSON.stringify(application.args)}`,
    );
  prepare({ name: "h" }, file.containsConfEquals("/etc/sysctl.d/a.conf", "a", "1"));
});

test("whatever edits a file takes validate", (t) =>
  onBothTargets(t, async ({ apply, applyAgain, dir }) => {
    writeFileSync(`${dir}/f`, "a=1\nb\n[s]\n");
    const refused = (validate: string): PropApp[] => [
      file.containsLines("f", "c", { validate }),
      file.lacksLines("f", "b", { validate }),
      file.lacksLinesMatching("f", /b/, { validate }),
      file.regexReplacedLines("f", /^b$/, "c", { validate }),
      file.containsConfEquals("f", "a", "2", { validate }),
      file.containsConfSpace("f", { a: "2" }, { validate }),
      file.containsConfUnspaced("f", [["a", "2"]], { validate }),
      file.containsIniSettings("f", ["s", "k", "v"], { validate }),
    ];
    for (const application of refused("false %s"))
      await assert.rejects(apply(application), {
        name: "AbortedChange",
        message: "`false %s` refuses the new content of f, so it was not written; correct it:\nexit code 1",
      });
    assert.equal(readFileSync(`${dir}/f`, "utf8"), "a=1\nb\n[s]\n");
    const accepted = file.containsIniSettings("f", ["s", "k", "v"], { validate: "grep -q k=v %s" });
    assert.equal(await apply(accepted), "changed");
    await applyAgain(accepted);
  }));

test("values of Postfix go on in indented lines", (t) =>
  onBothTargets(t, async ({ apply, applyAgain, dir }) => {
    mkdirSync(`${dir}/postfix`);
    writeFileSync(`${dir}/postfix/main.cf`, "mydestination = a,\n  b\nrelayhost =\n");
    const property = file.containsConfEquals("postfix/main.cf", "mydestination", "c");
    assert.equal(await apply(property), "changed");
    assert.equal(readFileSync(`${dir}/postfix/main.cf`, "utf8"), "mydestination = c\nrelayhost =\n");
    await applyAgain(property);
  }));

test("invalid arguments are refused", () => {
  const refused: readonly (readonly [() => unknown, string])[] = [
    [
      () => file.hasContent("a\nb", ""),
      'file.hasContent: args.path is "a\\nb"; it must be a path on the host',
    ],
    [
      () => file.hasMode("f", 0o10000),
      "file.hasMode: args.mode is 4096; it must be permission bits, such as 0o640",
    ],
    [() => file.containsLines("f"), "file.containsLines: args.lines has 0 items; it must have at least 1"],
    [
      () => file.containsLines("f", "a\nb"),
      'file.containsLines: args.lines[0] is "a\\nb"; it must be one line, without a newline',
    ],
    [
      () => file.containsConfSpace("f", "Port"),
      "file.containsConfSpace: args.pairs[0][1] is undefined; it must be a non-empty value on one line",
    ],
    [
      () => file.containsConfSpace("f", "A", ""),
      'file.containsConfSpace: args.pairs[0][1] is ""; it must be a non-empty value on one line',
    ],
    [
      () => file.containsConfEquals("f", "a b", "1"),
      'file.containsConfEquals: args.pairs[0][0] is "a b"; it must be a key: one word without =, not starting with #',
    ],
    [
      () => file.containsConfShell("f", { A: 1 as unknown as string }),
      "file.containsConfShell: args.pairs[0][1] is 1; it must be a value on one line",
    ],
    [
      () => file.containsIniSettings("f", ["s", "a=b", "1"]),
      'file.containsIniSettings: args.settings[0][1] is "a=b"; it must be a key without =, not starting with #, ; or [',
    ],
    [
      () => file.symlinked({ from: "a" } as unknown as { from: string; to: string }),
      "file.symlinked: args.to is missing",
    ],
    [
      () => file.regexReplacedLines("f", /a/g, "b"),
      'file.regexReplacedLines: args.regex.flags is "g"; it must be flags of a regular expression: any of i, m, s, u and v',
    ],
  ];
  for (const [call, message] of refused) assert.throws(call, { name: "InvalidArguments", message });
});

test("an invalid regular expression is refused before connecting", (t) =>
  onBothTargets(t, async ({ apply }) => {
    await assert.rejects(
      apply(file.lacksLinesMatching("f", "(")),
      /Invalid regular expression: \/\(\/: Unterminated group/,
    );
  }));

test("each property is registered by its export name and has a description", () => {
  for (const [name, property] of Object.entries(file)) {
    assert.equal(properties.get(`file.${name}`), property);
    assert.ok(definitionOf(`file.${name}`).desc, name);
  }
});
