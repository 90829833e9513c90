/** Tables of a host that the session has asked before, with a round trip of 50 ms, through the agent and over a shell. */
import { deploy } from "../../lib/controller/deploy";
import { on } from "../../lib/explore/on";
import { bootMachine } from "../support/machines";
import { linkTo, openWorkspace, pause, repeated, reportOf, timeTrue } from "./_bench";
import { type Figure, figure, median } from "./_figures";
import type { Measure } from "./_process";

const ROUND_TRIP_MS = 50;
/** Milliseconds beyond one round trip, for one table through the agent. */
const BEYOND_MS = 30;

export const measure: Measure = async ({ long }) => {
  using workspace = openWorkspace();
  await using machine = await bootMachine({ name: "bench" });
  await using link = await linkTo(machine, ROUND_TRIP_MS);
  const host = workspace.host("six");
  reportOf(host, await deploy(host, ...link.hops));
  const figures: Figure[] = [];
  for (const [how, hops] of [
    ["agent", link.hops],
    ["shell", link.hops.slice(0, 1)],
  ] as const) {
    const asking = on(host, ...hops);
    const questions = {
      "one table": () => asking.users(),
      packages: () => asking.packages(),
      "seven tables": () =>
        Promise.all([
          asking.facts(),
          asking.ports(),
          asking.processes(),
          asking.services(),
          asking.users(),
          asking.mounts(),
          asking.packages(),
        ]),
    };
    for (const [what, ask] of Object.entries(questions)) {
      await ask();
      const runs = await repeated(long ? 25 : 7, async () => {
        await pause();
        const limit = await timeTrue(host, hops);
        await pause(200);
        link.proxy.reset();
        const started = performance.now();
        await ask();
        return { limit, ms: performance.now() - started, down: link.proxy.bytes.down };
      });
      const limit = { name: "L1", value: median(runs.map((run) => run.limit)) };
      const isBudgeted = what === "one table" && how === "agent";
      const budget = isBudgeted && { budget: { value: ROUND_TRIP_MS + BEYOND_MS, times: 2 } };
      figures.push(
        figure(
          `${how}, ${what}`,
          "ms",
          runs.map(({ ms }) => ms),
          { limit, ...budget },
        ),
        figure(
          `${how}, ${what}: received`,
          "bytes",
          runs.map(({ down }) => down),
        ),
      );
    }
  }
  return figures;
};
