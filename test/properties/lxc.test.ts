import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops, unapplied } from "../../lib/combinators";
import { deploy } from "../../lib/controller/deploy";
import { session } from "../../lib/controller/session";
import { prepare } from "../../lib/engine/prepare";
import { defhost, hosts } from "../../lib/model/host";
import type { MaybePropApp, PropApp } from "../../lib/model/property";
import type { Report } from "../../lib/model/report";
import { makeChildHost } from "../../lib/nested/make-host";
import * as via from "../../lib/via";
import { refuseOverlaps, shiftScript } from "../../properties/_lxcIds";
import * as apt from "../../properties/apt";
import * as cmd from "../../properties/cmd";
import * as file from "../../properties/file";
import * as lxc from "../../properties/lxc";
import * as os from "../../properties/os";
import { assertOk, type Rig, rig } from "../lib/agent/_rig";
import { aptOptions } from "../support/_base";
import { containerNspawn, containerPackages, START_DAEMONS, stopDaemons } from "../support/containers";
import { limit } from "../support/load";
import { bootMachine, needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Sides } from "../support/sides";

const bookworm = os.debianStable("bookworm", "amd64");

const refusal = (...applications: PropApp[]): string => {
  try {
    prepare({ name: "web1.example.org" }, eseqprops(...applications));
  } catch (error) {
    return (error as Error).message.replace(/ at \S+:\d+:\d+/g, "");
  }
  return "";
};

test("what cannot be a container is refused before connecting", () => {
  const child = (name?: string) => makeChildHost(name === undefined ? {} : { name }, bookworm);
  assert.throws(() => lxc.userContainerFor({}, "ana", child()), {
    name: "InvalidArguments",
    message: /^lxc\.userContainerFor: args\.name is missing/,
  });
  assert.throws(() => lxc.userContainerFor({ uidMaps: [0, 1] as never }, "ana", child("box")), {
    name: "InvalidArguments",
  });
  assert.match(
    refusal(lxc.userContainerFor({}, "ana", child("box"))),
    /it needs a debianlike system, but web1\.example\.org has no operating system declared yet/,
  );
});

describe("who may have interfaces and whose containers start", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  test("the line of a user and a bridge, and no other", () =>
    sides.both(async (side) => {
      const { machine } = side;
      await machine.run(
        "mkdir -p /etc/lxc; printf '# USERNAME TYPE BRIDGE COUNT\\nplain veth lxcbr01 3\\nplain  veth lxcbr0 2\\nplain veth lxcbr0 5\\n' >/etc/lxc/lxc-usernet",
      );
      const usable = lxc.usernetVethUsableBy("plain");
      await holdsAfterwards(side, usable);
      assert.equal(
        await machine.run("cat /etc/lxc/lxc-usernet"),
        "# USERNAME TYPE BRIDGE COUNT\nplain veth lxcbr01 3\nplain veth lxcbr0 10\n",
      );
      await holdsAfterwards(side, lxc.usernetVethUsableBy("plain", { bridge: "none", count: 1 }));
      await isUndone(side, usable);
      assert.equal(
        await machine.run("cat /etc/lxc/lxc-usernet"),
        "# USERNAME TYPE BRIDGE COUNT\nplain veth lxcbr01 3\nplain veth none 1\n",
      );
      assert.deepEqual(
        (await side.apply(lxc.userContainerStarted("box", "plain"))).failures.map(({ message }) => message),
        ["plain has no container box; put lxc.userContainerFor before this property"],
      );
      await holds(side, lxc.userContainerStopped("box", "plain"));
    }));
});

test(
  "files are given their numbers, with modes and ACLs, and again after an interruption",
  needsMachines(),
  async (t) => {
    const machine = await bootMachine({ name: "ids" });
    t.after(() => machine.stop());
    await machine.run(
      `mkdir -p /srv/c/d && cd /srv/c && touch plain own set && chown 33:42 own && chown 70000:0 plain && chmod 4755 set && ln set hard && ln -s /etc/shadow link
setfacl -m u:33:rw,g:42:r own && setfacl -d -m u:1000:rwx d`,
    );
    const maps = [[0, 100_000, 65_536]] as const;
    const script = shiftScript("/srv/c", "/srv/modes", maps, maps);
    // As if it had ended after the owners of root's files.
    await machine.run(
      "cd /srv/c; find . ! -type l -perm /6000 -printf '%m %p\\0' >/srv/modes; find . -uid 0 -gid 0 -exec chown -h 100000:100000 {} +; stat -c %a set",
    );
    const look = "cd /srv/c; stat -c '%n %u %g %a' * . /etc/shadow; getfacl -cn own d";
    for (let times = 0; times < 2; times += 1) {
      await machine.run(script);
      assert.equal(
        await machine.run(look),
        `d 100000 100000 755
hard 100000 100000 4755
link 100000 100000 777
own 100033 100042 664
plain 70000 100000 644
set 100000 100000 4755
. 100000 100000 755
/etc/shadow 0 42 640
user::rw-
user:100033:rw-
group::r--
group:100042:r--
mask::rw-
other::r--

user::rwx
group::r-x
other::r-x
default:user::rwx
default:user:101000:rwx
default:group::r-x
default:mask::rwx
default:other::r-x

`,
      );
    }
  },
);

test("maps in which a number means two are refused", () => {
  assert.throws(() => refuseOverlaps([[0, 1000, 5000]], "user numbers"), {
    name: "InapplicableProperty",
    message: "the user numbers 0 to 4999 inside and 1000 to 5999 outside overlap; give ranges that do not",
  });
  refuseOverlaps(
    [
      [0, 100_000, 1000],
      [1000, 200_000, 1],
    ],
    "user numbers",
  );
});

describe("a container of a user on a real host", { ...needsMachines(), timeout: limit(300) }, () => {
  let on: Rig;
  let proxy: PropApp[] = [];
  before(async () => {
    on = await rig({ packages: containerPackages, nspawn: containerNspawn });
    assert.equal(session.consfig?.refresh().error, undefined);
    await on.machine.run(START_DAEMONS, { timeout: limit(60) });
    const [, uri] =
      (await aptOptions()).map((each) => /^Acquire::http::Proxy "(.*)";$/.exec(each)).find(Boolean) ?? [];
    if (uri !== undefined) proxy = [apt.proxy(uri)];
  });
  after(async () => {
    hosts.restore(new Map());
    await on?.machine.exec(
      stopDaemons("runuser -u plain -- env XDG_RUNTIME_DIR=/run/user/$(id -u plain) lxc-stop -k -n box"),
    );
    await on?.stop();
  });

  const applied = (...applications: MaybePropApp[]): Promise<Report> =>
    Promise.resolve(
      deploy(
        defhost("web1.example.org", { deploy: [on.ssh(), via.agent()] }, bookworm, ...proxy, ...applications),
      ),
    );

  test("is made, started and deployed into, unprivileged; and removed", { timeout: limit(300) }, async () => {
    const { machine } = on;
    const box = (text: string) =>
      lxc.userContainer(
        {
          autostart: true,
          chrootOptions: { variant: "minbase", include: "acl" },
          // A machine in a container may not mount a /sys of its own.
          preludeLines: ["lxc.mount.auto = proc:rw", "lxc.apparmor.profile = unconfined"],
          // systemd needs a /sys, too.
          additionalLines: ["lxc.net.0.type = none", "lxc.init.cmd = /usr/bin/sleep 1000000"],
        },
        "plain",
        "box",
        bookworm,
        apt.usesParentMirrors(),
        file.hasContent("/etc/motd", text),
        cmd.single("test $(id -u) = 0 && test -u /usr/bin/passwd"),
      );
    assertOk(await applied(box("first")));
    const first = Number(await machine.run("sed -n 's/^plain:\\([0-9]*\\):.*/\\1/p' /etc/subuid"));
    const root = "/var/lib/consfigurator/lxc/plain/box/rootfs";
    assert.equal(
      await machine.run(
        `stat -c '%u %g %a' ${root} ${root}/usr/bin/passwd ${root}/etc/shadow; cat ${root}/etc/motd; find ${root} -uid -1000 | head -3`,
      ),
      `${first} ${first} 755\n${first} ${first} 4755\n${first} ${first + 42} 640\nfirst\n`,
    );
    assert.match(
      await machine.run(
        "cat /home/plain/.local/share/lxc/box/config; stat -c '%U %a' /home/plain/.local/share/lxc/box/config",
      ),
      new RegExp(`lxc\\.idmap = u 0 ${first} 65536\\n.*lxc\\.start\\.auto = 1\\n.*plain 640\\n$`, "s"),
    );
    assertOk(await applied(box("second")));
    assert.equal(await machine.run(`cat ${root}/etc/motd`), "second\n");
    assertOk(await applied(unapplied(box("second"))));
    assert.equal(
      await machine.run("ls -A /home/plain/.local/share/lxc /var/lib/consfigurator/lxc/plain"),
      "/home/plain/.local/share/lxc:\n\n/var/lib/consfigurator/lxc/plain:\n",
    );
  });
});
