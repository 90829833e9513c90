/** Deployments and plans over a bare shell: when everything holds, and when one property of a hundred does not. */
import { deploy, deployThese, plan } from "../../lib/controller/deploy";
import type { Deployment } from "../../lib/controller/deployment";
import type { Hop } from "../../lib/model/hop";
import type { Host } from "../../lib/model/host";
import type { Report } from "../../lib/model/report";
import { file } from "../../properties";
import { bootMachine } from "../support/machines";
import { linkTo, openWorkspace, pause, repeated, reportOf, timeTrue } from "./_bench";
import { type Budget, type Figure, figure, median } from "./_figures";
import type { Measure } from "./_process";

/** At a round trip of 50 ms. */
const budgets = { six: { value: 200, times: 3.5 }, hundred: { value: 500, times: 8.8 } };
/** One of the hundred. */
const changed = "/etc/bench.d/13.conf";
const wanted = ["number = 13", "kind = bench"];

export const measure: Measure = async ({ long }) => {
  using workspace = openWorkspace();
  await using machine = await bootMachine({ name: "bench" });
  await using link = await linkTo(machine, 50);
  const hops = link.hops.slice(0, 1);

  /** Figures of what `begin` does, which must change as many steps; `before` prepares the host. */
  const measured = async (
    what: string,
    host: Host,
    begin: (host: Host, ...hops: readonly Hop[]) => Deployment<Report>,
    { budget, changes = 0, before = "true" }: { budget?: Budget; changes?: number; before?: string } = {},
  ): Promise<[time: Figure, ...Figure[]]> => {
    const runs = await repeated(long ? 25 : 7, async () => {
      await machine.run(before);
      await pause(200);
      const limit = await timeTrue(host, hops);
      await pause(200);
      link.proxy.reset();
      const started = performance.now();
      const report = await begin(host, ...hops);
      const ms = performance.now() - started;
      reportOf(host, report, changes);
      return { limit, ms, ...link.proxy.bytes, trips: link.proxy.trips };
    });
    const limit = { name: "L1", value: median(runs.map((run) => run.limit)) };
    const all = (key: "ms" | "up" | "down" | "trips") => runs.map((run) => run[key]);
    return [
      figure(`shell, ${what}`, "ms", all("ms"), { limit, ...(budget && { budget }) }),
      figure(`shell, ${what}: sent`, "bytes", all("up")),
      figure(`shell, ${what}: received`, "bytes", all("down")),
      figure(`shell, ${what}: round trips`, "", all("trips")),
    ];
  };

  const [six, hundred] = [workspace.host("six"), workspace.host("hundred")];
  for (const host of [six, hundred]) reportOf(host, await deploy(host, ...hops));
  const figures: Figure[] = [
    ...(await measured("6 properties", six, deploy, { budget: budgets.six })),
    ...(await measured("plan of 6 properties", six, plan, { budget: budgets.six })),
    ...(await measured("100 properties", hundred, deploy, { budget: budgets.hundred })),
  ];
  const planned = await measured("plan of 100 properties", hundred, plan, { budget: budgets.hundred });
  const change = { changes: 1, before: `echo changed > ${changed}` };
  const only = (host: Host, ...to: readonly Hop[]) =>
    deployThese(host.name, ...to, file.hasContent(changed, wanted));
  const alone = await measured("1 property, which changes", hundred, only, change);
  const value = planned[0].median + alone[0].median;
  const one = await measured("100 properties, 1 changes", hundred, deploy, { ...change, budget: { value } });
  return [...figures, ...planned, ...alone, ...one];
};
