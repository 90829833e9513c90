import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { upload } from "../../../../lib/agent/client/_upload";
import { runtimeFor } from "../../../../lib/agent/client/runtime";
import { localConnection } from "../../../../lib/connection/local";
import type { Compression, Runtime } from "../../../../lib/model/agent-artifacts";
import { needsMachines } from "../../../support/machines";

for (const compression of ["zstd", "gzip"] as const satisfies Compression[]) {
  describe(`a runtime sent by ${compression}`, needsMachines(), () => {
    let place: string;
    let runtime: Runtime;
    before(async () => {
      place = realpathSync(mkdtempSync(path.join(tmpdir(), "upload-test-")));
      runtime = await runtimeFor(process.arch === "arm64" ? "Linux aarch64" : "Linux x86_64", compression);
    });
    after(() => rmSync(place, { recursive: true }));

    const sent = (directory: string, from = 0) => {
      const [part, file] = [path.join(directory, "x.part"), path.join(directory, "x")];
      const places = { part, file, link: path.join(directory, "node") };
      return upload(localConnection(), runtime, compression, places, from, () => {});
    };
    const fresh = (): string => {
      rmSync(place, { recursive: true });
      mkdirSync(place);
      return place;
    };
    const assertWhole = (directory: string) => {
      assert.deepEqual(readdirSync(directory).sort(), ["node", "x", "x.lock"]);
      const hash = createHash("sha256")
        .update(readFileSync(path.join(directory, "node")))
        .digest("hex");
      assert.equal(hash, runtime.sha256);
    };
    const packed = (bytes?: number) => readFileSync(runtime.compressed.file).subarray(0, bytes);

    test("is there, under both its names, and nothing else", async () => {
      assert.equal(await sent(fresh()), undefined);
      assertWhole(place);
    });

    test("by two at once is there once", async () => {
      fresh();
      assert.deepEqual(await Promise.all([sent(place), sent(place)]), [undefined, undefined]);
      assertWhole(place);
    });

    for (const [what, bytes] of [
      ["nothing", 0],
      ["a part", 20_000_000],
      ["all", undefined],
    ] as const) {
      test(`of which ${what} had arrived goes on from there`, async () => {
        const part = packed(bytes);
        writeFileSync(path.join(fresh(), "x.part"), part);
        assert.equal(await sent(place, part.length), undefined);
        assertWhole(place);
      });
    }

    test("of which the part has changed is known to be broken, and the part goes", async () => {
      const part = Buffer.from(packed(20_000_000));
      part.fill(0, 9_000_000, 9_004_096);
      writeFileSync(path.join(fresh(), "x.part"), part);
      assert.match((await sent(place, part.length)) ?? "", /^the runtime arrived broken: .+$/);
      assert.deepEqual(readdirSync(place), ["x.lock"]);
    });

    test("of which the part is longer than was known is cut to that", async () => {
      writeFileSync(path.join(fresh(), "x.part"), packed(20_000_000));
      appendFileSync(path.join(place, "x.part"), "more, by one who was faster");
      assert.equal(await sent(place, 20_000_000), undefined);
      assertWhole(place);
    });

    test("of which the part is shorter than was known is not sent", async () => {
      writeFileSync(path.join(fresh(), "x.part"), packed(20_000_000));
      truncateSync(path.join(place, "x.part"), 1000);
      assert.equal(await sent(place, 20_000_000), "the part that was there is gone; deploy again");
    });

    for (const megabytes of [20, 110]) {
      test(
        `to a disk of ${megabytes} MB is refused, and leaves no binary behind`,
        needsMachines(),
        async () => {
          const disk = fresh();
          execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "upload-test", disk]);
          try {
            assert.equal(await sent(disk), "no space left on the host");
            assert.deepEqual(readdirSync(disk).sort(), ["x.lock", "x.part"]);
          } finally {
            execFileSync("umount", [disk]);
          }
        },
      );
    }
  });
}
