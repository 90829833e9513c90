import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import * as sudo from "../../properties/sudo";
import { needsMachines } from "../support/machines";
import { bootSides, holdsAfterwards, isUndone, type Side, type Sides } from "../support/sides";

test("two rules for one file are refused before connecting, unless they are equal", () => {
  const prepared = (...each: PropApp[]) => prepare({ name: "web1" }, eseqprops(...each));
  prepared(sudo.allows("%admin"), sudo.allows("%admin"), sudo.allows("%admin", { as: "www", name: "web" }));
  assert.throws(() => prepared(sudo.allows("ana.b"), sudo.allows("ana.b", { password: false })), {
    message:
      /the file ana_b has another rule already, "ana\.b ALL=\(ALL:ALL\) ALL"; give one of them a \{ name \}$/,
  });
});

test("what is no account or no command is refused", () => {
  assert.throws(() => sudo.allows("a b"), {
    message:
      'sudo.allows: args.who is "a b"; it must be an account, such as "deploy", or a group, such as "%admin"',
  });
  assert.throws(() => sudo.allows("a", { commands: ["reboot"] }), {
    message:
      'sudo.allows: args.commands[0] is "reboot"; it must be a command with its whole path, such as "/usr/bin/systemctl restart shop"',
  });
});

describe("sudo on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  const messages = async (side: Side, application: PropApp) =>
    (await side.apply(application)).failures.map(({ name, message }) => `${name}: ${message}`);

  test("allows: these commands and no others, and no more when it is unapplied", () =>
    sides.both(
      async (side) => {
        const commands = ["/usr/bin/echo a=b:c,d", "/usr/bin/id", "/usr/bin/printf #%s"];
        const rule = sudo.allows("plain", { commands, as: "nobody", password: false });
        const asPlain = async (command: string) =>
          (await side.machine.exec(`sudo -n ${command}`, { user: "plain" })).stdout;
        assert.equal(await asPlain("-u nobody id -un"), "");
        await holdsAfterwards(side, rule);
        assert.equal(await asPlain("-u nobody id -un"), "nobody\n");
        assert.equal(await asPlain("-u nobody echo a=b:c,d"), "a=b:c,d\n");
        assert.equal(await asPlain("-u nobody echo other"), "");
        assert.equal(await asPlain("-u nobody printf '#%s'"), "#");
        assert.equal(await asPlain("-u nobody printf x"), "");
        assert.equal(await asPlain("-u root id -un"), "");
        assert.equal(await side.machine.run("stat -c %a /etc/sudoers.d/plain"), "440\n");
        await isUndone(side, rule);
        assert.equal(await asPlain("-u nobody id -un"), "");
        await holdsAfterwards(side, sudo.allows("%plain", { password: false }));
        assert.equal(await asPlain("id -un"), "root\n");
        await isUndone(side, sudo.allows("%plain"));
      },
      { except: ["/var/lib/sudo", "/run/sudo"] },
    ));

  test("what visudo does not accept is not written, nor what sudo would not read", () =>
    sides.both(async (side) => {
      const { machine } = side;
      const [refused = ""] = await messages(side, sudo.allows("User_Alias"));
      assert.match(
        refused,
        /^AbortedChange: `visudo -cf %s` refuses the new content of \/etc\/sudoers\.d\/User_Alias, so it was not written; correct it:\n/,
      );
      await machine.run("sed -i.kept '/includedir/d' /etc/sudoers");
      assert.deepEqual(await messages(side, sudo.allows("plain")), [
        'AbortedChange: /etc/sudoers does not read the files in /etc/sudoers.d; put file.containsLines("/etc/sudoers", "@includedir /etc/sudoers.d") before this property',
      ]);
      await machine.run("mv /etc/sudoers.kept /etc/sudoers; mv /usr/sbin/visudo /root");
      assert.deepEqual(await messages(side, sudo.allows("plain")), [
        'AbortedChange: sudo is not installed; put apt.installed("sudo") or the like before this property',
      ]);
      await machine.run("mv /root/visudo /usr/sbin; ! ls /etc/sudoers.d/* | grep -v -e admin -e README");
    }));
});
