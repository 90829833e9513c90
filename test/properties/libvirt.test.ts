import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
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
import { chrootWords } from "../../properties/_libvirtChroot";
import * as apt from "../../properties/apt";
import * as cmd from "../../properties/cmd";
import * as libvirt from "../../properties/libvirt";
import * as os from "../../properties/os";
import * as systemd from "../../properties/systemd";
import { assertOk, type Rig, rig } from "../lib/agent/_rig";
import { aptOptions } from "../support/_base";
import { containerNspawn } from "../support/containers";
import { limit } from "../support/load";
import { needsMachines, needsMachinesForLong } from "../support/machines";
import { until } from "../support/until";

const bookworm = os.debianStable("bookworm", "amd64");

test("what cannot be a virtual machine is refused before connecting", () => {
  assert.throws(() => libvirt.definedFor("guest", "memory=1"), {
    name: "InvalidArguments",
    message:
      'libvirt.definedFor: args.words[0] is "memory=1"; it must be an option of virt-install with its value, such as "--memory=2048"',
  });
  const own = libvirt.kvmBootsChrootFor({}, makeChildHost({ name: "web1.example.org" }, bookworm));
  assert.throws(
    () => prepare({ name: "web1.example.org" }, eseqprops(bookworm, own)),
    /: the virtual machine web1\.example\.org must not be called as the host$/,
  );
});

test("a virtual machine that boots a directory", () => {
  assert.deepEqual(
    chrootWords("/srv/guest", {
      vcpus: 2,
      autostart: true,
      kernel: "/boot/vmlinuz",
      append: "quiet",
      virtOptions: ["--network=none"],
    }),
    [
      "--vcpus=2",
      "--memory=1024",
      "--filesystem=type=mount,accessmode=passthrough,driver.type=virtiofs,source.dir=/srv/guest,target.dir=rootfs",
      '--boot=kernel=/boot/vmlinuz,initrd=/srv/guest/initrd.img,kernel_args="root=rootfs rootfstype=virtiofs rw quiet"',
      "--memorybacking=access.mode=shared",
      "--autostart",
      "--network=none",
    ],
  );
});

describe("libvirt on a real host", { ...needsMachines(), timeout: limit(240) }, () => {
  let on: Rig;
  before(
    async () => {
      on = await rig({
        packages: [
          "libvirt-daemon-system",
          "libvirt-clients",
          "virtinst",
          "qemu-system-x86",
          "libvirt-daemon-driver-qemu",
          "dnsmasq-base",
        ],
        nspawn: containerNspawn,
      });
      assert.equal(session.consfig?.refresh().error, undefined);
      // A machine in a container has no control groups of its own to divide.
      await on.machine.run(
        `printf 'cgroup_controllers = []\\nsecurity_driver = "none"\\nuser = "root"\\ngroup = "root"\\nnamespaces = []\\n' >>/etc/libvirt/qemu.conf; systemctl restart libvirtd`,
      );
    },
    { timeout: limit(600) },
  );
  after(async () => {
    hosts.restore(new Map());
    await on?.machine.exec("virsh destroy guest; virsh net-destroy default");
    await on?.stop();
  });

  const ways = { "over a shell": () => [on.ssh()], "through an agent": () => [on.ssh(), via.agent()] };
  const applied = (way: keyof typeof ways, ...applications: MaybePropApp[]): Promise<Report> =>
    Promise.resolve(
      deploy(defhost("web1.example.org", { deploy: ways[way]() as never }, bookworm, ...applications)),
    );

  const guest = (memory: number): PropApp =>
    libvirt.definedFor(
      "guest",
      ...[
        `--memory=${memory}`,
        "--virt-type=qemu",
        "--disk=none",
        "--network=none",
        "--graphics=none",
        "--import",
      ],
    );

  for (const way of Object.keys(ways) as (keyof typeof ways)[])
    test(`${way}: defined, defined anew, started, turned off, and removed`, {
      timeout: limit(240),
    }, async () => {
      const { machine } = on;
      const all = (memory: number) => [
        guest(memory),
        libvirt.whenStarted("guest", cmd.single("touch /srv/early")),
        libvirt.started("guest"),
        libvirt.whenStarted("guest", cmd.single("touch /srv/late")),
      ];
      const first = await applied(way, ...all(64));
      assertOk(first);
      assert.equal(
        await machine.run("virsh domstate guest; ls /srv | grep -e early -e late"),
        "running\n\nlate\n",
      );
      const uuid = await machine.run("virsh domuuid guest");
      const again = await applied(way, guest(64), libvirt.started("guest"));
      assert.equal(again.status, "unchanged");
      assertOk(await applied(way, guest(96)));
      assert.match(await machine.run("virsh dumpxml --inactive guest"), /<memory unit='KiB'>98304</);
      assert.equal(await machine.run("virsh domuuid guest"), uuid);
      assertOk(await applied(way, libvirt.destroyed("guest")));
      assert.equal((await applied(way, libvirt.destroyed("guest"))).status, "unchanged");
      assertOk(await applied(way, unapplied(guest(96))));
      assert.equal(await machine.run("virsh list --all --name; rm -f /srv/late"), "\n");
      const missing = await applied(way, libvirt.started("guest"));
      assert.match(
        missing.failed[0]?.failure?.message ?? "",
        /^virsh start guest: failed to get domain 'guest'/,
      );
    });

  test("the default network", async () => {
    const { machine } = on;
    assertOk(await applied("over a shell", libvirt.defaultNetworkAutostarted()));
    assert.match(await machine.run("virsh net-list"), /default +active +yes/);
    const again = await applied("through an agent", libvirt.defaultNetworkAutostarted());
    assert.equal(again.status, "unchanged");
    assertOk(await applied("over a shell", unapplied(libvirt.defaultNetworkAutostarted())));
    assert.match(await machine.run("virsh net-list"), /default +active +no/);
  });

  test("a virtual machine boots a directory, and is removed with it", {
    timeout: limit(900),
    ...needsMachinesForLong(),
  }, async () => {
    const { machine } = on;
    const [, uri] =
      (await aptOptions()).map((each) => /^Acquire::http::Proxy "(.*)";$/.exec(each)).find(Boolean) ?? [];
    const guest = libvirt.kvmBootsChroot(
      {
        memory: 512,
        autostart: true,
        append: "console=ttyS0",
        chrootOptions: { variant: "minbase", include: "systemd-sysv" },
        virtOptions: ["--virt-type=qemu", "--network=none", "--graphics=none"],
      },
      "guest",
      bookworm,
      apt.usesParentMirrors(),
      apt.installed("linux-image-amd64"),
      systemd.hasUnit("says.service", [
        ...["[Service]", "Type=oneshot", "ExecStart=/bin/touch /srv/booted"],
        ...["[Install]", "WantedBy=multi-user.target"],
      ]),
      systemd.enabled("says.service"),
    );
    assertOk(await applied("through an agent", ...(uri === undefined ? [] : [apt.proxy(uri)]), guest));
    const booted = path.join(machine.root, "var/lib/libvirt/images/guest/srv/booted");
    await until("the guest has booted", () => existsSync(booted), 600);
    assertOk(await applied("through an agent", unapplied(guest)));
    assert.equal(await machine.run("virsh list --all --name; ls /var/lib/libvirt/images"), "\n");
  });
});
