import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { Cancelled } from "../../../lib/model/errors";
import { HostModel } from "../../../lib/model/host";
import { ShellTarget } from "../../../lib/target/shell/target";
import * as via from "../../../lib/via";
import { until } from "../../support/until";
import { open } from "./_sshd";

const skip = process.geteuid?.() === 0 && process.platform === "linux" ? false : "needs root on Linux";

describe("a process with process numbers of its own", { skip }, () => {
  let holder: ChildProcess;
  let inside: number;
  before(async () => {
    holder = spawn("unshare", ["--pid", "--fork", "--kill-child", "--mount-proc", "sleep", "600"]);
    const children = () => readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, "utf8").trim();
    inside = Number(await until("the process", children));
    await until("its program", () => readFileSync(`/proc/${inside}/cmdline`, "utf8").startsWith("sleep"));
  });
  after(() => holder?.kill("SIGKILL"));

  test("a command in it that ignores SIGTERM has ended when the cancellation is reported", async () => {
    const { connection } = await open(via.nsenter({ pid: inside }));
    const controller = new AbortController();
    let printed = "";
    const target = new ShellTarget(connection, {
      host: HostModel.named("web1.test"),
      signal: controller.signal,
      output: (_stream, text) => void (printed += text),
      atEnd: () => {},
      memory: new Map(),
    });
    const mark = `0.86${process.pid}`;
    const processes = () => execFileSync("ps", ["-A", "-ww", "-o", "args="], { encoding: "utf8" });
    const script = `trap '' TERM HUP INT; echo $$; while :; do sleep ${mark}; done`;
    const running = target.run(script, { inform: true });
    await until("its output", () => /^\d+\n$/.test(printed), { saw: () => printed });
    controller.abort();
    await assert.rejects(running, new Cancelled(`cancelled: \`${script}\` was ended`));
    await until("its end", () => !processes().includes(mark), { seconds: 1, saw: processes });
    await connection.close();
  });
});
