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
    let directory: string;
    let runtime: Runtime;
    before(async () => {
      directory = realpathSync(mkdtempSync(path.join(tmpdir(), "upload-test-")));
      runtime = await runtimeFor(process.arch === "arm64" ? "Linux aarch64" : "Linux x86_64", compression);
    });
    after(() => rmSync(directory, { recursive: true }));

    const send = (to: string, from = 0) => {
      const [part, file] = [path.join(to, "x.part"), path.join(to, "x")];
      const paths = { part, file, link: path.join(to, "node") };
      return upload(localConnection(), runtime, compression, paths, { from, progress: () => {} });
    };
    const fresh = (): string => {
      rmSync(directory, { recursive: true });
      mkdirSync(directory);
      return directory;
    };
    const assertComplete = () => {
      assert.deepEqual(readdirSync(directory).sort(), ["node", "x", "x.lock"]);
      const hash = createHash("sha256")
        .update(readFileSync(path.join(directory, "node")))
        .digest("hex");
      assert.equal(hash, runtime.sha256);
    };
    const packed = (bytes?: number) => readFileSync(runtime.compressed.file).subarray(0, bytes);

    test("exists under both its names, without other files", async () => {
      assert.equal(await send(fresh()), undefined);
      assertComplete();
    });

    test("by two uploads at once exists once", async () => {
      fresh();
      assert.deepEqual(await Promise.all([send(directory), send(directory)]), [undefined, undefined]);
      assertComplete();
    });

    for (const [what, bytes] of [
      ["nothing", 0],
      ["a part", 20_000_000],
      ["all", undefined],
    ] as const) {
      test(`of which ${what} had arrived is resumed there`, async () => {
        const part = packed(bytes);
        writeFileSync(path.join(fresh(), "x.part"), part);
        assert.equal(await send(directory, part.length), undefined);
        assertComplete();
      });
    }

    test("of which the part is corrupt is refused, and the part is deleted", async () => {
      const part = Buffer.from(packed(20_000_000));
      part.fill(0, 9_000_000, 9_004_096);
      writeFileSync(path.join(fresh(), "x.part"), part);
      assert.match((await send(directory, part.length)) ?? "", /^the uploaded runtime is corrupt: .+$/);
      assert.deepEqual(readdirSync(directory), ["x.lock"]);
    });

    test("of which the part is longer than expected is truncated to the expected size", async () => {
      writeFileSync(path.join(fresh(), "x.part"), packed(20_000_000));
      appendFileSync(path.join(directory, "x.part"), "more, by a concurrent upload");
      assert.equal(await send(directory, 20_000_000), undefined);
      assertComplete();
    });

    test("of which the part is shorter than expected is refused", async () => {
      writeFileSync(path.join(fresh(), "x.part"), packed(20_000_000));
      truncateSync(path.join(directory, "x.part"), 1000);
      assert.equal(await send(directory, 20_000_000), "the partial upload is gone; deploy again");
    });

    for (const megabytes of [20, 110]) {
      test(
        `to a disk of ${megabytes} MB is refused, and leaves no binary behind`,
        needsMachines(),
        async () => {
          const disk = fresh();
          execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "upload-test", disk]);
          try {
            assert.equal(await send(disk), "no space left on the host");
            assert.deepEqual(readdirSync(disk).sort(), ["x.lock", "x.part"]);
          } finally {
            execFileSync("umount", [disk]);
          }
        },
      );
    }
  });
}
