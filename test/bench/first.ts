/** The first deployment to a bare Debian host, without our agent, and the first after its reboot. */
import { randomBytes } from "node:crypto";
import { copyFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { session } from "../../lib/controller/session";
import type { Hop } from "../../lib/model/hop";
import type { Host } from "../../lib/model/host";
import { tryRun } from "../support/_run";
import { bootMachine, type Machine } from "../support/machines";
import { hopsTo, openWorkspace, pause, repeated, timed } from "./_bench";
import { figure, median } from "./_figures";
import type { Measure } from "./_process";

export const measure: Measure = async ({ long }) => {
  using workspace = openWorkspace();
  const host = workspace.host("six");
  // The runtime is compressed once for all hosts and cached: only the very first host waits for that.
  await onBareHost((hops) => runtimeSent(host, hops));
  const runs = await repeated(long ? 9 : 3, () =>
    onBareHost(async (hops, machine) => {
      const { ms: first, bytes } = await runtimeSent(host, hops);
      await session.close();
      await machine.reboot();
      await pause();
      const { ms: rebooted } = await timed(host, hops);
      await pause();
      return { first, bytes, rebooted, limit: await timeCopy(machine, bytes) };
    }),
  );
  const limit = { name: "L2", value: median(runs.map((run) => run.limit)) };
  const firsts = runs.map(({ first }) => first);
  const rebooted = runs.map((run) => run.rebooted);
  return [
    figure("first contact, bare host", "ms", firsts, { limit, budget: { value: 3000, times: 1.5 } }),
    figure(
      "first contact: runtime sent",
      "bytes",
      runs.map(({ bytes }) => bytes),
    ),
    figure("first after its reboot", "ms", rebooted, { budget: { value: 1000 } }),
  ];
};

async function onBareHost<T>(act: (hops: readonly Hop[], machine: Machine) => Promise<T>): Promise<T> {
  await using machine = await bootMachine({ name: "bench" });
  await pause();
  try {
    return await act(hopsTo(machine), machine);
  } finally {
    await session.close();
  }
}

/** A first deployment, and the number of runtime bytes that it sent. */
async function runtimeSent(host: Host, hops: readonly Hop[]): Promise<{ ms: number; bytes: number }> {
  let bytes = 0;
  const stop = session.onDeployment((deployment) =>
    deployment.subscribe((event) => {
      if (event.kind === "upload") bytes = event.total;
    }),
  );
  const { ms } = await timed(host, hops);
  stop();
  if (bytes === 0) throw new Error("expected a bare host, but no runtime was sent to it");
  return { ms, bytes };
}

/** L2: milliseconds to copy that many bytes with scp, and to start a bare Node on the host. */
async function timeCopy(machine: Machine, bytes: number): Promise<number> {
  const file = path.join(tmpdir(), `consfig-bench-copy-${process.pid}`);
  writeFileSync(file, randomBytes(bytes));
  copyFileSync(process.execPath, path.join(machine.root, "opt", "node"));
  try {
    const started = performance.now();
    const scp = ["scp", "-q", ...machine.sshOptions, file, `root@${machine.address}:/opt/copy`];
    const { exit, stderr } = await tryRun(scp);
    if (exit !== 0) throw new Error(`scp to ${machine.name}: ${stderr}`);
    await machine.run("/opt/node -e 0");
    return performance.now() - started;
  } finally {
    rmSync(file);
  }
}
