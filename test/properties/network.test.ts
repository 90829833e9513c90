import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import { shared } from "../../lib/model/host";
import type { PropApp } from "../../lib/model/property";
import * as network from "../../properties/network";
import { debianStable } from "../../properties/os";
import * as service from "../../properties/service";
import { limit } from "../support/load";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Side, type Sides } from "../support/sides";

const bookworm = debianStable("bookworm", "amd64");
const prepared = (...applications: PropApp[]) =>
  prepare({ name: "web1.example.org" }, eseqprops(bookworm, ...applications));

test("names and addresses are facts", () => {
  const { model } = prepared(
    network.aliases("www.example.org", "web1.example.org"),
    network.ipv4("192.0.2.7"),
    network.ipv6("2001:db8::7"),
    network.ipv4("192.0.2.7"),
  );
  assert.deepEqual(
    [model.all(shared.aliases), model.all(shared.ipv4), model.all(shared.ipv6)],
    [["www.example.org"], ["192.0.2.7"], ["2001:db8::7"]],
  );
});

test("refused before connecting", () => {
  const refused = (application: PropApp, message: RegExp) =>
    assert.throws(() => prepared(application), { message });
  refused(network.ipv4("192.0.2.700"), /192\.0\.2\.700 is no IPv4 address$/);
  refused(network.ipv6("192.0.2.7"), /192\.0\.2\.7 is no IPv6 address$/);
  refused(
    network.static("ens3", "203.0.113.7", "255.255.255.0", "203.0.113.1"),
    /203\.0\.113\.1 is no netmask; give one such as 255\.255\.255\.0, after the gateway$/,
  );
  refused(
    network.static("ens3", "203.0.113.7", "203.0.113.1"),
    /203\.0\.113\.7 needs a netmask; give one, or write it as 203\.0\.113\.7\/24$/,
  );
  refused(
    network.static("ens3", "203.0.113.7/24", "203.0.114.1"),
    /the gateway 203\.0\.114\.1 is not in the network of 203\.0\.113\.7\/24; correct one of them, or give the address the prefix 32 when its network is its own$/,
  );
  refused(
    eseqprops(network.static("ens3", "203.0.113.7/24"), network.static("ens3", "203.0.113.8/24")),
    /an earlier property gives \/etc\/network\/interfaces\.d\/ens3 another content; put both into one property, or remove one$/,
  );
  assert.throws(() => network.static("eth0:1", "203.0.113.7/24"), {
    name: "InvalidArguments",
    message:
      'network.static: args.interface is "eth0:1"; it must be a network interface: its name, its MAC address, or "default route" for the one that the default route goes through',
  });
  prepared(
    eseqprops(
      network.static("ens3", "203.0.113.7/32", "172.31.1.1"),
      network.static("ens3", "2001:db8::7/64", "fe80::1"),
    ),
  );
});

/** ifupdown is not in the base system of the machines. */
const PREPARED = `set -e
apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends ifupdown
ip link add lan0 address 02:00:00:00:00:01 type veth peer name lan1 address 02:00:00:00:00:02
ip link add eth7 address 02:00:00:00:00:07 type veth peer name eth8 address 02:00:00:00:00:08`;

describe("network on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(
    async () => {
      sides = await bootSides();
      await Promise.all(sides.each.map(({ machine }) => machine.run(PREPARED, { timeout: limit(120) })));
    },
    { timeout: limit(240) },
  );
  after(() => sides?.stop());

  const messages = async (side: Side, application: PropApp) =>
    (await side.apply(application)).failures.map(({ name, message }) => `${name}: ${message}`);
  const addresses = (side: Side, name: string) =>
    side.machine.run(`ip -o address show ${name} scope global | awk '{print $4}'`);

  test("interfaces: the file that Debian brings", () =>
    sides.both(async (side) => {
      const { machine } = side;
      const stock = await machine.run("cat /etc/network/interfaces");
      await machine.run("printf 'auto lan0\\niface lan0 inet dhcp\\n' >>/etc/network/interfaces");
      assert.deepEqual(await messages(side, network.static("lan0", "192.0.2.7/24")), [
        'AbortedChange: /etc/network/interfaces has "iface lan0 inet dhcp", too; put network.cleanEtcNetworkInterfaces() before this property',
      ]);
      await holdsAfterwards(side, network.cleanEtcNetworkInterfaces());
      assert.equal(await machine.run("cat /etc/network/interfaces"), stock);
    }));

  test("static, by name: as ifupdown understands it", () =>
    sides.both(async (side) => {
      const { machine } = side;
      const lan = network.static("lan0", "192.0.2.7", "192.0.2.1", "255.255.252.0", { metric: "5000" });
      await holdsAfterwards(side, lan);
      assert.equal(
        await machine.run("cat /etc/network/interfaces.d/lan0"),
        "auto lan0\niface lan0 inet static\n\taddress 192.0.2.7\n\tnetmask 255.255.252.0\n\tgateway 192.0.2.1\n\tmetric 5000\n",
      );
      const { commands } = await holds(side, lan);
      if (side.kind === "agent") assert.deepEqual(commands, []);
      const six = network.static("lan0", "2001:db8::7/64");
      await holdsAfterwards(side, six);
      await machine.run("ip link set lan1 up; ifup lan0");
      assert.equal(await addresses(side, "lan0"), "192.0.2.7/22\n2001:db8::7/64\n");
      assert.match(
        await machine.run("ip route list default"),
        /default via 192\.0\.2\.1 dev lan0 metric 5000/,
      );
      await machine.run("ifdown lan0");
      await isUndone(side, lan);
      await isUndone(side, six);
      assert.equal(await machine.run("ls /etc/network/interfaces.d"), "");
    }));

  test("a gateway outside of the network, and a file that does not read the others", () =>
    sides.both(async (side) => {
      const { machine } = side;
      await machine.run("rm /etc/network/interfaces");
      const own = network.static("lan0", "198.51.100.7/32", "172.31.1.1");
      await holdsAfterwards(side, own);
      await machine.run("ip route flush cache; ip route del default; ip link set lan1 up; ifup lan0");
      assert.equal(await machine.run("ip route list default"), "default via 172.31.1.1 dev lan0 onlink \n");
      await machine.run("ifdown lan0; . /etc/test-machine-network; ip route add default via $GATEWAY");
      await isUndone(side, own);
    }));

  test("static takes the place of what a new system has got from the one before it", () =>
    sides.both(async (side) => {
      const { machine } = side;
      const carried = "/etc/network/interfaces.d/carried-over";
      await machine.run(`printf 'auto lan0\\niface lan0 inet dhcp\\n' >${carried}`);
      await holdsAfterwards(side, network.static("eth7", "198.51.100.7/24"));
      await holdsAfterwards(side, network.static("lan0", "192.0.2.7/24"));
      assert.equal(await machine.run("ls /etc/network/interfaces.d"), "eth7\nlan0\n");
      await machine.run("rm /etc/network/interfaces.d/*");
    }));

  test("by MAC address: a lasting name stays, and one of the kernel does not", () =>
    sides.both(async (side) => {
      const { machine } = side;
      await holdsAfterwards(side, network.static("02:00:00:00:00:01", "192.0.2.7/24"));
      assert.equal(
        await machine.run("cd /etc; cat systemd/network/*.link; cat network/interfaces.d/enx020000000001"),
        "[Match]\nMACAddress=02:00:00:00:00:01\nKind=!*\n\n[Link]\nName=lan0\nauto lan0\niface lan0 inet static\n\taddress 192.0.2.7\n\tnetmask 255.255.255.0\n",
      );
      const kernel = network.static("02:00:00:00:00:07", "192.0.2.8/24");
      await holdsAfterwards(side, kernel);
      assert.match(
        await machine.run("cat /etc/network/interfaces.d/enx020000000007"),
        /^auto enx020000000007\niface enx020000000007 inet static$/m,
      );
      // As after the next boot.
      await machine.run("ip link set eth7 name enx020000000007");
      await holds(side, kernel);
      await machine.run("ip link set enx020000000007 name eth7");
      await isUndone(side, kernel);
      await isUndone(side, network.static("02:00:00:00:00:01", "192.0.2.7/24"));
      await machine.run("! ls /etc/systemd/network/*.link");
      const [failure] = await messages(side, network.static("02:00:00:00:00:99", "192.0.2.8/24"));
      assert.match(
        failure ?? "",
        /^AbortedChange: no interface has the MAC address 02:00:00:00:00:99; there are .*lan0 \(02:00:00:00:00:01\)/,
      );
      const built = service.withoutStartingServices(network.static("02:00:00:00:00:99", "192.0.2.8/24"));
      await holdsAfterwards(side, built, { except: ["/usr/sbin"] });
      await isUndone(side, network.static("02:00:00:00:00:99", "192.0.2.8/24"));
    }));

  test("what the interface of the default route has, once", () =>
    sides.both(
      async (side) => {
        const { machine } = side;
        const once = network.preserveStaticOnce();
        await holdsAfterwards(side, once);
        const [own = ""] = (await addresses(side, "host0")).split("\n");
        const gateway = (await machine.run(". /etc/test-machine-network; echo $GATEWAY")).trim();
        assert.equal(
          (await machine.run("cat /etc/network/interfaces.d/default_20_route")).replace(
            /netmask .*/,
            "netmask …",
          ),
          `auto host0\niface host0 inet static\n\taddress ${own.split("/")[0]}\n\tnetmask …\n\tgateway ${gateway}\n`,
        );
        assert.match(await machine.run("ifquery host0"), new RegExp(`^gateway: ${gateway}$`, "m"));
        await machine.run("ip address add 192.0.2.99/32 dev host0");
        const { commands } = await holds(side, once);
        if (side.kind === "agent") assert.deepEqual(commands, []);
        await isUndone(side, once);
        await machine.run("ip link set lan0 up");
        assert.deepEqual(await messages(side, network.preserveStaticOnce("lan0")), [
          "AbortedChange: lan0 has no IPv4 address to be kept; name another interface, or use network.static",
        ]);
      },
      // Each machine has an address of its own.
      { except: ["/etc/network/interfaces.d", "/etc/systemd/network"] },
    ));

  test("cloud-init leaves the network alone", () =>
    sides.both(async (side) => {
      const { machine } = side;
      await machine.run(
        "mkdir -p /etc/cloud/cloud.cfg.d /etc/netplan; for f in network/interfaces.d/50-cloud-init udev/rules.d/70-persistent-net.rules; do printf '# This file is generated by cloud-init\\nauto lan0\\niface lan0 inet dhcp\\n' >/etc/$f; done; echo 'network: {}' >/etc/netplan/50-cloud-init.yaml",
      );
      assert.deepEqual(await messages(side, network.static("lan0", "192.0.2.7/24")), [
        'AbortedChange: /etc/network/interfaces.d/50-cloud-init has "iface lan0 inet dhcp", too; put network.cloudInitDisabled() before this property',
      ]);
      await holdsAfterwards(side, network.cloudInitDisabled());
      assert.equal(
        await machine.run(
          "cat /etc/cloud/cloud.cfg.d/*; ls /etc/network/interfaces.d /etc/udev/rules.d /etc/netplan",
        ),
        "network: {config: disabled}\n/etc/netplan:\n50-cloud-init.yaml\n\n/etc/network/interfaces.d:\n\n/etc/udev/rules.d:\n",
      );
      await isUndone(side, network.cloudInitDisabled());
    }));
});
