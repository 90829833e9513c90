/** An unchanged deployment, and a plan of it, to a host that this session has deployed to before. */
import { plan } from "../../lib/controller/deploy";
import { bootMachine } from "../support/machines";
import { linkTo, openWorkspace, pause, repeated, reportOf, timed, timedUnchanged, timeTrue } from "./_bench";
import { type Budget, type Figure, figure, median } from "./_figures";
import type { Measure } from "./_process";

/** Milliseconds beyond one round trip, and the multiple of L1 when the link is slow. */
const budgets = { six: { beyond: 40, times: 2 }, hundred: { beyond: 150, times: 4 } };
/** Bytes sent for a hundred properties. */
const sentBudget = 10_000;

export const measure: Measure = async ({ long }) => {
  using workspace = openWorkspace();
  await using machine = await bootMachine({ name: "bench" });
  const figures: Figure[] = [];
  for (const roundTrip of [0, 50]) {
    await using link = await linkTo(machine, roundTrip);
    for (const name of ["six", "hundred"] as const) {
      const host = workspace.host(name);
      await timed(host, link.hops);
      const runs = await repeated(long ? 25 : 7, async () => {
        await pause();
        const limit = await timeTrue(host, link.hops);
        await pause(200);
        link.proxy.reset();
        const ms = await timedUnchanged(host, link.hops);
        const bytes = { ...link.proxy.bytes };
        await pause();
        const began = performance.now();
        reportOf(host, await plan(host, ...link.hops), 0);
        return { limit, ms, planned: performance.now() - began, ...bytes };
      });
      const { beyond, times } = budgets[name];
      const count = name === "six" ? 6 : 100;
      const label = `warm, ${count} properties, ${roundTrip} ms`;
      const budget: Budget = { value: roundTrip + beyond, ...(roundTrip > 0 && { times }) };
      const limit = { name: "L1", value: median(runs.map((run) => run.limit)) };
      figures.push(
        figure(
          label,
          "ms",
          runs.map(({ ms }) => ms),
          { limit, budget },
        ),
      );
      figures.push(
        figure(
          `${label}: planned`,
          "ms",
          runs.map(({ planned }) => planned),
          { limit, budget },
        ),
      );
      if (roundTrip === 0) continue;
      const sent = count === 100 ? { budget: { value: sentBudget } } : {};
      figures.push(
        figure(
          `warm, ${count} properties: sent`,
          "bytes",
          runs.map(({ up }) => up),
          sent,
        ),
      );
      figures.push(
        figure(
          `warm, ${count} properties: received`,
          "bytes",
          runs.map(({ down }) => down),
        ),
      );
    }
  }
  return figures;
};
