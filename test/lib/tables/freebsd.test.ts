/** FreeBSD, which cannot be booted here: its programs are recorded, and those of this machine and its /proc are not seen. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { on } from "../../../lib/explore/on";
import * as via from "../../../lib/via";
import { needsMachines } from "../../support/machines";
import { type Recording, record } from "../../support/recorded";

const system: Recording = {
  manual:
    "sockstat(1), ifconfig(8), netstat(1), sysctl(8), ps(1), df(1), getconf(1), uname(1) of FreeBSD 14.1, and pkg-query(8) of pkg 1.21",
  states: {
    running: {
      "sockstat -4 -6 -q -w -l": {
        stdout: `root     sshd         812 3   tcp6   *:22                                          *:*
root     sshd         812 4   tcp4   *:22                                          *:*
ntpd     ntpd         640 23  udp4   192.0.2.10:123                                *:*
ntpd     ntpd         640 24  udp6   fe80::1%lo0:123                               *:*
?        ?            ?   ?   udp4   *:514                                         *:*
`,
      },
      "sockstat -4 -6 -q -w -c": {
        stdout: `root     sshd         901 4   tcp4   192.0.2.10:22                                 198.51.100.7:50122
`,
      },
      "ifconfig -a": {
        stdout: `vtnet0: flags=1008843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST,LOWER_UP> metric 0 mtu 1500
	options=4c07bb<RXCSUM,TXCSUM,VLAN_MTU,VLAN_HWTAGGING,JUMBO_MTU,VLAN_HWCSUM,TSO4,TSO6,LRO,VLAN_HWTSO,LINKSTATE,TXCSUM_IPV6>
	ether 58:9c:fc:0a:1b:2c
	inet 192.0.2.10 netmask 0xffffff00 broadcast 192.0.2.255
	inet6 fe80::5a9c:fcff:fe0a:1b2c%vtnet0 prefixlen 64 scopeid 0x1
	media: Ethernet autoselect (10Gbase-T <full-duplex>)
	status: active
	nd6 options=21<PERFORMNUD,AUTO_LINKLOCAL>
vtnet1: flags=1008802<BROADCAST,SIMPLEX,MULTICAST> metric 0 mtu 9000
	ether 58:9c:fc:0a:1b:2d
	media: Ethernet autoselect
	status: no carrier
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
lo0: flags=1008049<UP,LOOPBACK,RUNNING,MULTICAST,LOWER_UP> metric 0 mtu 16384
	options=680003<RXCSUM,TXCSUM,LINKSTATE,RXCSUM_IPV6,TXCSUM_IPV6>
	inet 127.0.0.1 netmask 0xff000000
	inet6 ::1 prefixlen 128
	groups: lo
	nd6 options=21<PERFORMNUD,AUTO_LINKLOCAL>
`,
      },
      "netstat -rnW": {
        stdout: `Routing tables

Internet:
Destination        Gateway            Flags   Nhop#    Mtu    Netif Expire
default            192.0.2.1          UGS         5   1500   vtnet0
127.0.0.1          link#3             UH          2  16384      lo0
192.0.2.0/24       link#1             U           1   1500   vtnet0

Internet6:
Destination                       Gateway                       Flags   Nhop#    Mtu  Netif Expire
::1                               link#3                        UHS         1  16384    lo0
default                           fe80::1%vtnet0                UGS         4   1500 vtnet0
`,
      },
      "sysctl -n hw.physmem kern.boottime": {
        stdout: "4248530944\n{ sec = 1700000000, usec = 123456 } Tue Nov 14 22:13:20 2023\n",
      },
      "sysctl -n kern.boottime": { stdout: "{ sec = 1700000000, usec = 123456 } Tue Nov 14 22:13:20 2023\n" },
      "sysctl kern.ostype": { stdout: "kern.ostype: FreeBSD\n" },
      "getconf _NPROCESSORS_ONLN": { stdout: "4\n" },
      "uname -srm": { stdout: "FreeBSD 14.1-RELEASE amd64\n" },
      "uname -n": { stdout: "bsd.example.org\n" },
      "uname -r": { stdout: "14.1-RELEASE\n" },
      uname: { stdout: "FreeBSD\n" },
      "ps -A -ww -o pid= -o ppid= -o user= -o pcpu= -o rss= -o args=": {
        stdout: `    1     0 root       0.0   1184 /sbin/init
  812     1 root       0.1   9876 sshd: /usr/sbin/sshd [listener] 0 of 10-100 startups (sshd)
`,
      },
      "df -Pk": {
        stdout: `Filesystem      1024-blocks    Used    Avail Capacity  Mounted on
zroot/ROOT/default  20000000 4000000 16000000    20%    /
devfs                     1       0        1     0%    /dev
`,
      },
      "pkg query %n %v %q %k %a": {
        stdout: "nginx 1.26.2_1,3 FreeBSD:14:amd64 0 0\npcre2 10.43 FreeBSD:14:amd64 1 1\n",
      },
    },
  },
};

/** What FreeBSD has, too. */
const SHARED = [
  "sh",
  "cat",
  "sed",
  "grep",
  "head",
  "tail",
  "ls",
  "stat",
  "id",
  "env",
  "printf",
  "tr",
  "od",
  "wc",
].concat([
  "cut",
  "sort",
  "find",
  "readlink",
  "test",
  "[",
  "mktemp",
  "rm",
  "date",
  "sleep",
  "mkdir",
  "dd",
  "base64",
]);

/** The host, on which only these programs are seen, and no /proc. */
function freebsd(t: TestContext) {
  record(t, system);
  const [recorded = "", ...others] = (process.env["PATH"] ?? "").split(":");
  const shared = mkdtempSync(path.join(tmpdir(), "freebsd-"));
  t.after(() => rmSync(shared, { recursive: true, force: true }));
  for (const program of SHARED) {
    const found = others.map((directory) => path.join(directory, program)).find((file) => existsSync(file));
    if (found) symlinkSync(found, path.join(shared, program));
  }
  const enter = `mount -t tmpfs none /proc && PATH=${recorded}:${shared} && export PATH && exec "$@"`;
  const wrap = via.shellWrap("unshare", "--mount", "sh", "-c", enter, "sh");
  return on("bsd.example.org", [via.local(), wrap] as never);
}

test("the tables of a FreeBSD", needsMachines(), async (t) => {
  const there = freebsd(t);
  const ask = async <R extends object>(asked: PromiseLike<readonly R[] & { readonly errors: unknown }>) => {
    const rows = await asked;
    assert.deepEqual(rows.errors, []);
    return [...rows].map((row) => Object.values(row).slice(1));
  };
  assert.deepEqual(await ask(there.ports()), [
    [22, "::", "tcp", "sshd", 812],
    [22, "0.0.0.0", "tcp", "sshd", 812],
    [123, "192.0.2.10", "udp", "ntpd", 640],
    [123, "fe80::1%lo0", "udp", "ntpd", 640],
    [514, "0.0.0.0", "udp", null, null],
  ]);
  assert.deepEqual(await ask(there.connections()), [
    [22, "192.0.2.10", "198.51.100.7", 50122, "tcp", "sshd", 901],
  ]);
  assert.deepEqual(await ask(there.interfaces()), [
    ["vtnet0", "up", "58:9c:fc:0a:1b:2c", ["192.0.2.10/24", "fe80::5a9c:fcff:fe0a:1b2c/64"], 1500],
    ["vtnet1", "down", "58:9c:fc:0a:1b:2d", [], 9000],
    ["lo0", "up", null, ["127.0.0.1/8", "::1/128"], 16384],
  ]);
  assert.deepEqual(await ask(there.routes()), [
    ["default", "192.0.2.1", "vtnet0", null, null],
    ["127.0.0.1", null, "lo0", null, null],
    ["192.0.2.0/24", null, "vtnet0", null, null],
    ["::1", null, "lo0", null, null],
    ["default", "fe80::1%vtnet0", "vtnet0", null, null],
  ]);
  const [facts] = await there.facts();
  assert.deepEqual(
    [facts?.kernel, facts?.architecture, facts?.processors, facts?.memoryBytes, facts?.booted],
    ["FreeBSD 14.1-RELEASE", "amd64", 4, 4248530944, "2023-11-14T22:13:20.000Z"],
  );
  assert.deepEqual(await ask(there.processes()), [
    [1, 0, "root", 0, 1184 * 1024, "/sbin/init"],
    [812, 1, "root", 0.1, 9876 * 1024, "sshd: /usr/sbin/sshd [listener] 0 of 10-100 startups (sshd)"],
  ]);
  assert.deepEqual(await ask(there.packages()), [
    ["nginx", "1.26.2_1,3", "FreeBSD:14:amd64", null, null, false, true],
    ["pcre2", "10.43", "FreeBSD:14:amd64", null, null, true, false],
  ]);
  assert.deepEqual((await ask(there.mounts()))[0], [
    "/",
    "zroot/ROOT/default",
    null,
    20480000000,
    4096000000,
    16384000000,
  ]);
  assert.deepEqual(await ask(there.sysctl("kern.ostype")), [["kern.ostype", "FreeBSD"]]);
  const { errors } = await there.services();
  assert.match(String(errors[0]?.message), /^the host has no systemctl\(1\)/);
});
