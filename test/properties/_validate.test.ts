/** New content is judged before it is put in place. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { onBothTargets } from "consfigurator/testing";
import type { PropApp } from "../../lib/model/property";
import { file } from "../../properties";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Side, type Sides } from "../support/sides";

describe("the option validate", () => {
  test("a command that accepts the new content, as shell text or as words", (t) =>
    onBothTargets(t, async ({ dir, apply, applyAgain }) => {
      const seen = path.join(dir, "seen");
      const record =
        'stat -c "%n %a %U" %s | sed "s,.*/,," >>~/seen; cat %s >>~/seen; test ! -e ~/"x y.conf"';
      const text = file.hasContent("x y.conf", ["a", "%s"], { mode: 0o640, validate: record });
      assert.equal(await apply(text), "changed");
      await applyAgain(text);
      const me = process.env["USER"] ?? "root";
      assert.equal(readFileSync(seen, "utf8"), `x_y.conf 600 ${me}\na\n%s\n`);
      assert.equal(statSync(path.join(dir, "x y.conf")).mode & 0o777, 0o640);
      const words = ["grep", "-q", "--", "b c", "%s"];
      const list = file.existsWithContent("x y.conf", "b c", { validate: words });
      assert.equal(await apply(list), "changed");
      await applyAgain(list);
      assert.equal(readFileSync(path.join(dir, "x y.conf"), "utf8"), "b c\n");
    }));

  test("one that refuses it: in its own words, and the file stays as it is", (t) =>
    onBothTargets(t, async ({ dir, apply, snapshot }) => {
      writeFileSync(path.join(dir, "f"), "old\n", { mode: 0o640 });
      const earlier = snapshot();
      const refuse = (validate: string | string[], name = "f") =>
        apply(file.hasContent(name, "new", { mode: 0o600, validate }));
      await assert.rejects(refuse("echo %s: line 1 is wrong >&2; echo checked; exit 3"), {
        name: "AbortedChange",
        message:
          "`echo %s: line 1 is wrong >&2; echo checked; exit 3` refuses the new content of f, so it was not written; correct it:\nf: line 1 is wrong\nchecked",
      });
      await assert.rejects(refuse(["test", "-z", "%s"]), {
        message: "`test -z %s` refuses the new content of f, so it was not written; correct it:\nexit code 1",
      });
      await assert.rejects(refuse('seq 20; test -z "%s"', "sub/g"), {
        message: `\`seq 20; test -z "%s"\` refuses the new content of sub/g, so it was not written; correct it:\n${[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, "…"].join("\n")}`,
      });
      await assert.rejects(refuse("no-such-checker %s"), {
        message:
          /^`no-such-checker %s` cannot check the new content of f, so it was not written; install the checker first:\n.*no-such-checker.*not found$/,
      });
      assert.deepEqual(snapshot(), earlier);
    }));

  test("is not asked about content that is there already", (t) =>
    onBothTargets(t, async ({ dir, apply }) => {
      writeFileSync(path.join(dir, "f"), "old\n");
      assert.equal(
        await apply(file.hasContent("f", "old", { mode: 0o600, validate: "false %s" })),
        "changed",
      );
      assert.equal(statSync(path.join(dir, "f")).mode & 0o777, 0o600);
    }));

  test("needs %s, and a command", () => {
    const must = 'it must be a command with %s in place of the file to check, such as "nginx -t -c %s"';
    for (const validate of ["nginx -t", "%s", ["nginx", "-t"], ["%s"], 3])
      assert.throws(() => file.hasContent("/etc/nginx.conf", "", { validate: validate as string }), {
        name: "InvalidArguments",
        message: `file.hasContent: args.validate is ${JSON.stringify(validate)}; ${must}`,
      });
  });
});

describe("on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  const messages = async (side: Side, application: PropApp): Promise<string[]> => {
    const { change, failures } = await side.apply(application);
    assert.equal(change, "unchanged");
    return failures.map(({ name, message }) => `${name}: ${message}`);
  };
  const refused = (name: string, printed: string): string =>
    `AbortedChange: \`visudo -cf %s\` refuses the new content of ${name}, so it was not written; correct it:\n${printed}`;
  const works = async (side: Side) =>
    assert.equal(await side.machine.run("sudo -n id -un", { user: "admin" }), "root\n");
  const write = (side: Side, name: string, text: string) =>
    writeFileSync(path.join(side.machine.root, name), text);

  test("no property of file puts an invalid file into sudoers.d", () =>
    sides.both(async (side) => {
      const web = "/etc/sudoers.d/web";
      const wrong = "deploy ALL=(ALL NOPASSWD: ALL";
      const said = refused(web, `${web}:1:17: syntax error\n${wrong}\n                ^~~~~~~~~`);
      const before = await side.machine.run("ls -a /etc/sudoers.d /tmp");
      write(side, "srv/wrong", `${wrong}\n`);
      for (const application of [
        file.hasContent(web, wrong),
        file.hasContent("/etc//sudoers.d/../sudoers.d/./web", wrong),
        file.existsWithContent(web, [wrong], { mode: 0o440 }),
        file.containsLines(web, wrong),
      ]) {
        const [message, ...more] = await messages(side, application);
        assert.deepEqual([message?.replaceAll(/\/etc\/[^ :]*web/g, web), ...more], [said]);
      }
      assert.deepEqual(await messages(side, file.isCopyOf(web, "/srv/wrong")), [said]);
      for (const to of ["/srv/wrong", "../../srv/wrong"])
        assert.deepEqual(await messages(side, file.symlinked({ from: web, to })), [said]);
      assert.match((await messages(side, file.containsConfEquals(web, "a", "b")))[0] ?? "", /syntax error/);
      assert.match(
        (await messages(side, file.containsIniSettings(web, ["a", "b", "c"])))[0] ?? "",
        /syntax error/,
      );
      assert.equal(await side.machine.run("ls -a /etc/sudoers.d /tmp"), before);
      await works(side);
    }));

  test("nor edits a valid one into an invalid one", () =>
    sides.both(async (side) => {
      const web = "/etc/sudoers.d/web";
      await holdsAfterwards(
        side,
        file.hasContent(web, ["deploy ALL = \\", "  NOPASSWD: ALL"], { mode: 0o440 }),
      );
      for (const application of [
        file.lacksLines(web, "  NOPASSWD: ALL"),
        file.lacksLinesMatching(web, /NOPASSWD/),
        file.regexReplacedLines(web, /ALL$/, "(ALL"),
      ])
        assert.match((await messages(side, application))[0] ?? "", /^AbortedChange: `visudo -cf %s` refuses/);
      assert.match(
        (await side.unapply(file.containsLines(web, "  NOPASSWD: ALL"))).failures[0]?.message ?? "",
        /refuses/,
      );
      await holds(side, file.hasContent(web, ["deploy ALL = \\", "  NOPASSWD: ALL"], { mode: 0o440 }));
      await isUndone(side, file.existsWithContent(web, ""));
    }));

  test("nor a broken /etc/sudoers, or one that includes what is broken", () =>
    sides.both(async (side) => {
      assert.deepEqual(await messages(side, file.containsLines("/etc/sudoers", "Defaults nosuchoption")), [
        refused(
          "/etc/sudoers",
          `/etc/sudoers:${Number(await side.machine.run("wc -l </etc/sudoers")) + 1}:22: unknown defaults entry "nosuchoption"`,
        ),
      ]);
      await works(side);
      await holdsAfterwards(side, file.containsLines("/etc/sudoers", "Defaults !lecture"));
      await isUndone(side, file.containsLines("/etc/sudoers", "Defaults !lecture"));
      await works(side);
    }));

  test("a name that sudo passes over is any file, and so is one where there is no visudo", () =>
    sides.both(async (side) => {
      for (const name of ["web.bak", "web~"]) {
        await holdsAfterwards(side, file.hasContent(`/etc/sudoers.d/${name}`, "not for sudo"));
        await isUndone(side, file.existsWithContent(`/etc/sudoers.d/${name}`, ""));
      }
      await side.machine.run("mv /usr/sbin/visudo /usr/sbin/hidden");
      await holdsAfterwards(side, file.hasContent("/etc/sudoers.d/later", "not yet"));
      await isUndone(side, file.existsWithContent("/etc/sudoers.d/later", ""));
      await side.machine.run("mv /usr/sbin/hidden /usr/sbin/visudo");
    }));

  test("validate is asked too, with the checkers of sshd and systemd", () =>
    sides.both(async (side) => {
      const sshd = (line: string) =>
        file.hasContent("/etc/ssh/sshd_config.d/own.conf", line, { validate: "/usr/sbin/sshd -t -f %s" });
      const [message = ""] = await messages(side, sshd("PermitRotLogin no"));
      assert.equal(
        message.split("\n").slice(0, 2).join("\n"),
        "AbortedChange: `/usr/sbin/sshd -t -f %s` refuses the new content of /etc/ssh/sshd_config.d/own.conf, so it was not written; correct it:\n/etc/ssh/sshd_config.d/own.conf: line 1: Bad configuration option: PermitRotLogin",
      );
      await holdsAfterwards(side, sshd("PermitRootLogin prohibit-password"));
      const unit = (line: string) =>
        file.hasContent("/etc/systemd/system/own.service", ["[Service]", line], {
          validate: ["systemd-analyze", "verify", "%s"],
        });
      assert.match(
        (await messages(side, unit("Type=oneshot")))[0] ?? "",
        /own\.service: Service has no ExecStart=/,
      );
      await holdsAfterwards(side, unit("ExecStart=/bin/true"));
      await side.machine.run("rm /etc/ssh/sshd_config.d/own.conf /etc/systemd/system/own.service");
      assert.deepEqual(
        readdirSync(path.join(side.machine.root, "tmp")).filter((name) => name.startsWith("consfigurator")),
        [],
      );
    }));
});
