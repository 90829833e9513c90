import assert from "node:assert/strict";
import { test } from "node:test";
import { mountsIn } from "../../../../lib/target/mounts";
import { areApart } from "../../../../lib/target/shell/apart";

const mounts = mountsIn(`21 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
22 21 254:2 / /home rw,relatime shared:2 - xfs /dev/vdb rw
23 21 254:1 /srv/site /var/www rw,relatime shared:1 - ext4 /dev/vda1 rw
24 21 0:5 / /proc rw,nosuid - proc proc rw
25 21 0:31 / /mnt/union rw - fuse.mergerfs /srv/a:/srv/b rw
26 21 0:32 / /mnt/image rw,relatime - overlay overlay rw,lowerdir=/srv/lower,upperdir=/srv/upper
27 22 0:33 / /home/a\\040b rw - tmpfs tmpfs rw
28 21 254:2 /deep /home/again rw - xfs /dev/vdb rw
`);

const rows: [one: string, other: string, apart: boolean, why: string][] = [
  ["/etc/a", "/etc/b", true, "two files of one directory"],
  ["/etc/a", "/etc/a", false, "the same file"],
  ["/etc/a", "/etc/A", false, "perhaps the same file, where case does not count"],
  ["/etc/a", "/etc", false, "a file and its directory, whose list and time change"],
  ["/etc", "/etc/a", false, "a directory and what is in it"],
  ["/etc/a", "/etc/ab", true, "a name that begins alike"],
  ["/etc/a", "/home/a", true, "two disks"],
  ["/srv/site/index", "/var/www/index", false, "one directory, mounted twice"],
  ["/srv/site/index", "/var/www/other", false, "below two mounts of one disk"],
  ["/var/www/a", "/var/www/b", true, "two files below the same mount"],
  ["/home/x", "/home/again/x", false, "two mounts of one disk"],
  ["/srv/a/x", "/mnt/union/x", false, "a file system that shows another one"],
  ["/mnt/union/x", "/mnt/union/y", false, "a file system that does as it likes"],
  ["/srv/upper/x", "/mnt/image/x", false, "a layer and its overlay"],
  ["/mnt/image/x", "/mnt/image/y", true, "two files of one overlay"],
  ["/home/a b/x", "/home/y", true, "a mount with a blank"],
  ["/proc/1/status", "/proc/2/status", false, "the kernel's own files"],
];

for (const [one, other, apart, why] of rows)
  test(`${one} and ${other}: ${why}`, () => {
    assert.equal(areApart(one, other, mounts), apart);
    assert.equal(areApart(other, one, mounts), apart);
  });

test("nothing is apart where the mounts are not known", () => {
  assert.equal(areApart("/etc/a", "/etc/b", []), false);
});
