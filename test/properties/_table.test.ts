import assert from "node:assert/strict";
import { test } from "node:test";
import { FailedChange } from "../../lib/model/errors";
import { type Columns, PLACEHOLDER, updatedTable, withoutEntries } from "../../properties/_table";
import { random } from "../support/random";

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
      "UUID=1 / ext4",
      "UUID=2 /srv ext4",
      "UUID=3 /srv/data ext4",
      "# note",
      "/srv/data/img /mnt/img loop",
      "",
      "tmpfs /tmp tmpfs",
    ],
  ],
  ["a slash at the end", fstab, ["a /boot/efi/ vfat"], ["b /boot/efi vfat"], ["b /boot/efi vfat"]],
  [
    "what is mounted elsewhere, too, comes after its source",
    fstab,
    ["/srv /mnt none bind"],
    ["UUID=2 /srv ext4"],
    ["UUID=2 /srv ext4", "/srv /mnt none bind"],
  ],
  [
    "new entries in their order",
    fstab,
    [],
    ["a / x", "b /boot/efi x", "c /home x"],
    ["a / x", "b /boot/efi x", "c /home x"],
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

test("whatever the order before, nothing comes before what it needs", () => {
  const { below } = random(14);
  const entries = [
    "1 / x",
    "2 /var x",
    "3 /var/log x",
    "4 /srv x",
    "/var/lib/swapfile swap swap",
    "/srv/www /var/www none bind",
    "/srv /mnt none bind",
    "8 /home x",
  ];
  for (let round = 0; round < 500; round++) {
    const rest = [...entries];
    const shuffled = entries
      .flatMap(() => rest.splice(below(rest.length), 1))
      .flatMap((line) => [`# ${line}`, line]);
    const result = updatedTable(shuffled, [], fstab);
    const at = (start: string) => result.findIndex((line) => line.startsWith(start));
    assert.equal(at("1 "), 1);
    assert.ok(at("2 ") < at("3 ") && at("2 ") < at("/var") && at("2 ") < at("/srv/www"), result.join("\n"));
    assert.ok(at("4 ") < at("/srv ") && at("4 ") < at("/srv/www"), result.join("\n"));
    assert.ok(
      entries.every((line) => result[result.indexOf(line) - 1] === `# ${line}`),
      result.join("\n"),
    );
    assert.deepEqual(updatedTable(result, [], fstab), result);
  }
});

test("without entries", () => {
  const before = [
    "# / x",
    "UUID=1 / ext4",
    "none /tmp tmpfs",
    "/s1 swap swap",
    "/s2 swap swap",
    "UUID=2 /srv ext4",
  ];
  const entries = [`${PLACEHOLDER} / ext4`, "none /tmp tmpfs", "/s2 none swap", "none /srv ext4"];
  assert.deepEqual(withoutEntries(before, entries, fstab), [
    "# / x",
    "UUID=1 / ext4",
    "/s1 swap swap",
    "UUID=2 /srv ext4",
  ]);
});
