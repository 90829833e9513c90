import assert from "node:assert/strict";
import { test } from "node:test";
import { onBothTargets } from "consfigurator/testing";
import { eseqprops, unapplied } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import * as os from "../../properties/os";
import * as rcConf from "../../properties/rcConf";
import { type Recording, record } from "../support/recorded";

/** sysrc -c succeeds when the assignments would change nothing. */
const setting = (words: string): Recording["states"] => ({
  before: {
    [`sysrc ${words.replace("|", "-c ")}`]: { exit: 1 },
    [`sysrc ${words.replace("|", "")}`]: { then: "after", stdout: "x: NO -> YES\n" },
  },
  after: { [`sysrc ${words.replace("|", "-c ")}`]: {} },
});
const manual = "sysrc(8) of FreeBSD 14.1";

const onFreebsd = (application: PropApp): PropApp =>
  eseqprops(os.freebsdRelease("14.1", "amd64", { from: "debian" }), application);

const cases: [application: PropApp, words: string, undone?: string][] = [
  [
    rcConf.contains("sshd_enable", "YES", "ifconfig_em0", "inet 192.0.2.7 netmask 255.255.255.0"),
    "|sshd_enable=YES ifconfig_em0=inet 192.0.2.7 netmask 255.255.255.0",
  ],
  [rcConf.contains({ hostname: "" }), "|hostname="],
  [
    rcConf.fileContains("/boot/loader.conf", [["autoboot_delay", "2"]]),
    "-f /boot/loader.conf |autoboot_delay=2",
  ],
  [
    rcConf.wsListContains("kld_list", "if_bridge", "nullfs"),
    "|kld_list+=if_bridge kld_list+=nullfs",
    "|kld_list-=if_bridge kld_list-=nullfs",
  ],
  [
    rcConf.fileWsListContains("/etc/rc.conf.d/jail", "jail_list", "www"),
    "-f /etc/rc.conf.d/jail |jail_list+=www",
    "-f /etc/rc.conf.d/jail |jail_list-=www",
  ],
  [rcConf.wsListLacks("cloned_interfaces", "bridge0"), "|cloned_interfaces-=bridge0"],
  [
    rcConf.fileWsListLacks("/etc/rc.conf.d/jail", "jail_list", "old"),
    "-f /etc/rc.conf.d/jail |jail_list-=old",
  ],
];

for (const [application, words, undone] of cases) {
  test(`${application.property}: sysrc ${words.replace("|", "")}`, (t) =>
    onBothTargets(t, async ({ apply }) => {
      record(t, { manual, states: setting(words) });
      assert.equal(await apply(onFreebsd(application)), "changed");
      assert.equal(await apply(onFreebsd(application)), "unchanged");
      if (undone === undefined) return;
      record(t, { manual, states: setting(undone) });
      assert.equal(await apply(onFreebsd(unapplied(application))), "changed");
      assert.equal(await apply(onFreebsd(unapplied(application))), "unchanged");
    }));
}

test("what sysrc would take for something else is refused", () => {
  assert.throws(() => rcConf.contains("a b", "x"), {
    name: "InvalidArguments",
    message: 'rcConf.contains: args.pairs[0][0] is "a b"; it must be a variable, such as "sshd_enable"',
  });
  assert.throws(() => rcConf.wsListContains("kld_list", "a b"), {
    name: "InvalidArguments",
    message: 'rcConf.wsListContains: args.values[0] is "a b"; it must be a word without quotes',
  });
});

test("another system is refused before connecting", () => {
  assert.throws(
    () =>
      prepare(
        { name: "web1.example.org" },
        eseqprops(os.debianStable("bookworm", "amd64"), rcConf.contains("a", "b")),
      ),
    /it needs a freebsd system, but web1\.example\.org runs debianStable bookworm \(amd64\)/,
  );
});
