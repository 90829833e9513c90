import assert from "node:assert/strict";
import { test } from "node:test";
import { mountPoints } from "../../../lib/target/mounts";

test("mount points are read from mountinfo, with blanks, tabs and backslashes in them", () => {
  const mountinfo = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
36 22 0:32 /dir /mnt/a\\040b\\011c\\134d rw master:1 - ext3 /dev/root rw
37 22 0:33 / /mnt/é rw - tmpfs tmpfs rw
`;
  assert.deepEqual(mountPoints(mountinfo), ["/", "/mnt/a b\tc\\d", "/mnt/é"]);
});
