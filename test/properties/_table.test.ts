import assert from "node:assert/strict";
import { test } from "node:test";
import { FailedChange } from "../../lib/model/errors";
import { type Columns, PLACEHOLDER, updatedTable } from "../../properties/_table";

const fstab: Columns = { source: 0, target: 1 };
const crypttab: Columns = { source: 1, target: 0 };

const cases: readonly (readonly [
  title: string,
  columns: Columns,
  before: string[],
  entries: string[],
  after: string[],
])[] = [
  ["a new entry", fstab, ["/dev/a / ext4"], ["/dev/b /srv ext4"], ["/dev/a / ext4", "/dev/b /srv ext4"]],
  ["an entry with the same target", fstab, ["/dev/a\t/\text4"], ["/dev/b / xfs"], ["/dev/b / xfs"]],
  [
    "equal words: the line stays",
    fstab,
    ["/dev/a\t/\text4  rw"],
    ["/dev/a / ext4 rw"],
    ["/dev/a\t/\text4  rw"],
  ],
  ["a source is kept", fstab, ["UUID=1 / ext3"], [`${PLACEHOLDER} / ext4`], ["UUID=1 / ext4"]],
  ['"none" keeps it too', fstab, ["UUID=1 / ext3"], ["none / ext4"], ["UUID=1 / ext4"]],
  [
    "another word for no source",
    { ...fstab, noSource: "nil" },
    ["nil / ext3"],
    ["nil / ext4"],
    ["nil / ext4"],
  ],
  [
    "a comment is not an entry",
    fstab,
    ["# / was on /dev/vda1 during installation", "UUID=1 / ext4 errors=remount-ro"],
    [`${PLACEHOLDER} / btrfs`],
    ["# / was on /dev/vda1 during installation", "UUID=1 / btrfs"],
  ],
  [
    "swap space is identified by its source",
    fstab,
    ["/dev/s1 none swap sw", "/dev/s2 none swap sw"],
    ["/dev/s2 none swap pri=1", "/swapfile none swap sw"],
    ["/dev/s1 none swap sw", "/dev/s2 none swap pri=1", "/swapfile none swap sw"],
  ],
  [
    "parents come before children",
    fstab,
    ["# note", "/srv/data/img /mnt/img loop", "", "tmpfs /tmp tmpfs"],
    ["UUID=2 /srv ext4", "UUID=1 / ext4", "UUID=3 /srv/data ext4"],
    [
      "# note",
      "UUID=1 / ext4",
      "UUID=2 /srv ext4",
      "UUID=3 /srv/data ext4",
      "/srv/data/img /mnt/img loop",
      "",
      "tmpfs /tmp tmpfs",
    ],
  ],
  ["a path prefix is not a parent", fstab, ["a /srvx x"], ["b /srv x"], ["a /srvx x", "b /srv x"]],
  [
    "a cycle stays",
    fstab,
    ["/b/x /a bind", "/a/x /b bind"],
    ["c /c x"],
    ["/b/x /a bind", "/a/x /b bind", "c /c x"],
  ],
  [
    "crypttab",
    crypttab,
    ["root UUID=1 none luks"],
    [`root ${PLACEHOLDER} none luks,discard`, "home UUID=2 none"],
    ["root UUID=1 none luks,discard", "home UUID=2 none"],
  ],
];

for (const [title, columns, before, entries, after] of cases) {
  test(title, () => {
    const result = updatedTable(before, entries, columns);
    assert.deepEqual(result, after);
    assert.deepEqual(updatedTable(result, entries, columns), result);
  });
}

test("a placeholder without a source to keep", () => {
  assert.throws(
    () => updatedTable(["# / x"], [`${PLACEHOLDER} / ext4`], fstab),
    new FailedChange(
      'the entry "PLACEHOLDER / ext4" needs a source: no existing line has one for PLACEHOLDER',
    ),
  );
});
