import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { truncateSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { onBothTargets, targetOf } from "consfigurator/testing";
import { FailedChange } from "../../../lib/model/errors";
import { HostModel } from "../../../lib/model/host";
import { OUTPUT_LIMIT } from "../../../lib/target/command-output";
import { ShellTarget } from "../../../lib/target/shell/target";
import * as via from "../../../lib/via";
import { cmd } from "../../../properties";
import { until } from "../../support/until";
import { me, open, sshd } from "../connection/_sshd";

const LIMIT_MB = OUTPUT_LIMIT / 1e6;

/** The memory that `act` takes at its peak, in MB. */
async function memoryOf(act: () => Promise<void>): Promise<number> {
  const rss = () => process.memoryUsage.rss() / 1e6;
  const before = rss();
  let peak = before;
  const timer = setInterval(() => {
    peak = Math.max(peak, rss());
  }, 20);
  await act().finally(() => clearInterval(timer));
  return peak - before;
}

const processes = (): string => execFileSync("ps", ["-eo", "args"], { encoding: "utf8" });

/** A line of `yes` that no other process prints. */
const lineOf = (kind: string): string => `endless-${process.pid}-${kind}`;

test("a command whose output is wanted whole is ended when it prints more than the limit", (t) =>
  onBothTargets(t, async ({ target, kind }) => {
    const line = lineOf(kind);
    const used = await memoryOf(async () => {
      await assert.rejects(
        target.run(`sleep 60 & yes ${line}`),
        (error) =>
          error instanceof FailedChange &&
          error.message ===
            `\`sleep 60 & yes ${line}\` printed more than 64 MiB and was ended; let it write to a file, or run it with { excerpt: true }, which keeps only the beginning and the end`,
      );
    });
    assert.ok(used < 3 * LIMIT_MB, `${used} MB`);
    await until("its end", () => !processes().includes(line), { saw: processes });
    // Both outputs count; what is within the limit is whole.
    await assert.rejects(
      target.run(`head -c ${OUTPUT_LIMIT} /dev/zero; sleep 0.2; echo more >&2`),
      /printed more than 64 MiB and was ended/,
    );
    const { stdout } = await target.run(`head -c ${OUTPUT_LIMIT} /dev/zero`);
    assert.equal(stdout.length, OUTPUT_LIMIT);
  }));

test("a command whose output is not wanted whole may print without end", (t) =>
  onBothTargets(t, async ({ apply, kind }) => {
    const line = lineOf(kind);
    const used = await memoryOf(async () => {
      await assert.rejects(
        apply(cmd.single("yes", line, { timeout: 1 })),
        (error: Error) => error.message === `\`yes ${line}\` timed out after 1 s`,
      );
      await assert.rejects(
        apply(cmd.single("yes", line, { timeout: 1, inform: true })),
        (error: Error) => error.message === `\`yes ${line}\` timed out after 1 s`,
      );
      // The output of a condition is not looked at.
      assert.equal(await apply(cmd.single("true", { unless: "head -c 300000000 /dev/zero" })), "unchanged");
    });
    assert.ok(used < 300, `${used} MB`);
    await until("its end", () => !processes().includes(line), { saw: processes });
  }));

for (const transport of ["ssh2", "openssh"] as const) {
  test(`endless output over ssh, with ${transport}`, async () => {
    const server = await sshd();
    server.trust(`[127.0.0.1]:${server.port}`);
    const { port, config } = server;
    const ssh = await open(via.ssh({ user: me, hop: "127.0.0.1", port, config, transport }));
    const inside = await open(via.shellWrap("env", "WRAPPED=1"), { parent: ssh.connection });
    for (const [name, { connection }] of Object.entries({ ssh, inside })) {
      const line = lineOf(`${transport}-${name}`);
      let printed = 0;
      const target = new ShellTarget(connection, {
        host: HostModel.named("web1.test"),
        signal: new AbortController().signal,
        output: (_stream, text) => void (printed += text.length),
        atEnd: () => {},
        memory: new Map(),
      });
      const used = await memoryOf(async () => {
        await assert.rejects(
          target.run(["yes", line]),
          (error: Error) =>
            error.message ===
            `\`yes ${line}\` printed more than 64 MiB and was ended; let it write to a file, or run it with { excerpt: true }, which keeps only the beginning and the end`,
        );
        const { stdout } = await target.run(`yes ${line} | head -c ${OUTPUT_LIMIT + 1} >&2; echo the end`, {
          inform: true,
        });
        assert.equal(stdout, "the end\n");
      });
      assert.ok(printed > OUTPUT_LIMIT, `${printed} characters`);
      assert.ok(used < 4 * LIMIT_MB, `${used} MB`);
      await until("its end", () => !processes().includes(line), { saw: processes });
    }
  });
}

test("one of many questions whose answer is too long leaves the others their answers", (t) =>
  onBothTargets(t, async ({ target, dir }) => {
    writeFileSync(`${dir}/small`, "small\n");
    for (const name of ["large", "larger"]) writeFileSync(`${dir}/${name}`, "");
    truncateSync(`${dir}/large`, OUTPUT_LIMIT);
    truncateSync(`${dir}/larger`, OUTPUT_LIMIT + 1);
    const used = await memoryOf(async () => {
      const [small, large, larger, twice] = await Promise.allSettled([
        target.readFile("small"),
        target.readBytes("large"),
        target.readBytes("larger"),
        target.readBytes("large"),
      ]);
      assert.equal(small.status === "fulfilled" && small.value, "small\n");
      assert.equal(large.status === "fulfilled" && large.value?.length, OUTPUT_LIMIT);
      assert.equal(twice.status === "fulfilled" && twice.value?.length, OUTPUT_LIMIT);
      assert.equal(
        larger.status === "rejected" && larger.reason.message,
        "cannot read larger: it is larger than 64 MiB, the most that is read of a file",
      );
    });
    assert.ok(used < 10 * LIMIT_MB, `${used} MB`);
    assert.equal(await target.ensureContent("larger", Buffer.alloc(OUTPUT_LIMIT + 1)), "unchanged");
  }));

test("a cancelled command that prints without end is ended", async (t) => {
  for (const kind of ["agent", "posix"] as const) {
    await t.test(kind, async () => {
      const controller = new AbortController();
      const line = lineOf(`${kind}-cancelled`);
      let printed = 0;
      const target = targetOf(kind, {
        signal: controller.signal,
        output: (_stream, text) => void (printed += text.length),
      });
      const running = target.run(["yes", line], { inform: true });
      await until("output", () => printed > 2 * OUTPUT_LIMIT);
      controller.abort();
      await assert.rejects(running, { message: `cancelled: \`yes ${line}\` was ended` });
      await until("its end", () => !processes().includes(line), { saw: processes });
    });
  }
});
