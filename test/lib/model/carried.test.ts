/** Values that go with a deployment into what is nested in it on the same machine. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { carriedFrom, carriedValue } from "../../../lib/model/carried";
import type { SeenFiles } from "../../../lib/model/hop";
import { filesBehind } from "../../../lib/target/files-behind";
import * as via from "../../../lib/via";

const plain = carriedValue<string>("test.plain");
/** A path, as it is seen from inside. */
const place = carriedValue<string>("test.place", (path, { root }) => {
  if (root === "/") return path;
  return path.startsWith(`${root}/`) ? path.slice(root.length) : undefined;
});

const memoryWith = (values: Record<string, unknown>) => ({ memory: new Map(Object.entries(values)) });
const outside = memoryWith({ [plain.name]: "x", [place.name]: "/srv/c/mnt", "test.other": true });
const behind = (...hops: Parameters<typeof filesBehind>[0]): SeenFiles | undefined => filesBehind(hops);

describe("what is carried", () => {
  const rows: [what: string, files: SeenFiles | undefined, values: Record<string, unknown>][] = [
    ["as another user", behind(via.as("ada")), { "test.plain": "x", "test.place": "/srv/c/mnt" }],
    ["through an agent", behind(via.agent()), { "test.plain": "x", "test.place": "/srv/c/mnt" }],
    [
      "into a chroot, with its own paths",
      behind(via.chroot("/srv/c")),
      { "test.plain": "x", "test.place": "/mnt" },
    ],
    ["into another chroot, where the path is not", behind(via.chroot("/srv/d")), { "test.plain": "x" }],
    ["not to another host", behind(via.ssh({ hop: "192.0.2.1" })), {}],
    ["not beyond another host", behind(via.ssh({ hop: "192.0.2.1" }), via.sudo()), {}],
  ];
  for (const [what, files, values] of rows)
    test(what, () => assert.deepEqual(carriedFrom(outside, files), values));

  test("nothing where nothing was set", () => assert.deepEqual(carriedFrom(memoryWith({}), behind()), {}));
});
