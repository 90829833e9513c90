/** The cost of an idle agent on its host, at first and after many deployments. */
import { setTimeout as sleep } from "node:timers/promises";
import { bootMachine, type Machine } from "../support/machines";
import { hopsTo, openWorkspace, repeated, timed, timedUnchanged } from "./_bench";
import { figure } from "./_figures";
import type { Measure } from "./_process";

/** Bytes of supervisor and spare worker together, and the allowed growth. */
const budget = { memory: 120_000_000, growth: 8_000_000 };
const observedSeconds = 5;

export const measure: Measure = async ({ long }) => {
  using workspace = openWorkspace();
  await using machine = await bootMachine({ name: "bench" });
  const host = workspace.host("six");
  const hops = hopsTo(machine);
  await timed(host, hops);
  const before = await whenIdle(machine);
  const cpu = await cpuTimeIn(observedSeconds, machine);
  const deployments = long ? 1000 : 100;
  const times = await repeated(deployments, () => timedUnchanged(host, hops));
  const after = await whenIdle(machine);
  const growth = after.supervisor - before.supervisor;
  const [most, none] = [{ budget: { value: budget.memory } }, { budget: { value: 0 } }];
  return [
    figure("idle agent: memory (PSS)", "bytes", [before.pss], most),
    figure("idle agent: resident (RSS)", "bytes", [before.rss]),
    figure(`idle agent: CPU time in ${observedSeconds} s`, "ms", [cpu], none),
    figure(`after ${deployments} deployments: memory (PSS)`, "bytes", [after.pss], most),
    figure(`after ${deployments} deployments: supervisor growth`, "bytes", [growth], {
      budget: { value: budget.growth },
    }),
    figure(`after ${deployments} deployments: additional descriptors`, "", [after.open - before.open], none),
    figure("back-to-back deployments, each", "ms", times),
  ];
};

interface Use {
  /** Bytes of supervisor and spare worker: proportional set size, and resident set size. */
  readonly pss: number;
  readonly rss: number;
  /** Private bytes of the supervisor. */
  readonly supervisor: number;
  /** Open descriptors of the supervisor. */
  readonly open: number;
}

/** Waits until the spare worker has loaded everything. */
async function whenIdle(machine: Machine): Promise<Use> {
  await sleep(3000);
  const [supervisor, spare] = [
    await agentProcess(machine, "supervisor"),
    await agentProcess(machine, "worker"),
  ];
  return {
    pss: supervisor.Pss + spare.Pss,
    rss: supervisor.Rss + spare.Rss,
    supervisor: supervisor.Private_Dirty,
    open: supervisor.open,
  };
}

/** CPU time of all agent processes, relay included, within `seconds`, in milliseconds. */
async function cpuTimeIn(seconds: number, machine: Machine): Promise<number> {
  const spent = async () => {
    const text = await machine.run(
      "for pid in $(pgrep -f '^[^ ]*consfigurator/agent/'); do cat /proc/$pid/stat; done",
    );
    // Fields 14 and 15 of /proc/PID/stat, in ticks of 10 ms; the second field is in parentheses and may contain spaces.
    const fields = text.split("\n").map((line) => line.replace(/^.*\) /, "").split(" "));
    return fields.reduce((sum, field) => sum + 10 * (Number(field[11] ?? 0) + Number(field[12] ?? 0)), 0);
  };
  const before = await spent();
  await sleep(seconds * 1000);
  return (await spent()) - before;
}

type Rollup = Record<"Pss" | "Rss" | "Private_Dirty" | "open", number>;

/** The agent process on `machine` with the role `role`. */
async function agentProcess(machine: Machine, role: "supervisor" | "worker"): Promise<Rollup> {
  const pattern = role === "supervisor" ? "boot/.*[.]js supervisor$" : "lib/worker/worker[.]js ";
  const text = await machine.run(
    `pid=$(pgrep -f '^[^ ]*consfigurator/agent/.*${pattern}') && cat /proc/$pid/smaps_rollup && echo "open: $(ls /proc/$pid/fd | wc -l) kB"`,
  );
  const value = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(text)?.[1]);
  const bytes = (key: string) => value(key) * 1024;
  return { Pss: bytes("Pss"), Rss: bytes("Rss"), Private_Dirty: bytes("Private_Dirty"), open: value("open") };
}
