/** An unchanged deployment of a typical web server, compared with that of a hundred simple properties to the same host. */
import { bootMachine } from "../support/machines";
import { hopsTo, openWorkspace, pause, repeated, timed, timedUnchanged } from "./_bench";
import { type Figure, figure, median } from "./_figures";
import type { Measure } from "./_process";

/** What the sixty properties may take, as a multiple of the hundred. */
const budget = { times: 1.5 };

export const measure: Measure = async ({ long }): Promise<Figure[]> => {
  using workspace = openWorkspace();
  await using machine = await bootMachine({ name: "bench" });
  await machine.run("apt-get update -q");
  const [hundred, server] = [workspace.host("hundred"), workspace.host("server")];
  const hops = hopsTo(machine);
  for (const host of [hundred, server]) await timed(host, hops);
  const runs = await repeated(long ? 25 : 9, async () => {
    await pause();
    const simple = await timedUnchanged(hundred, hops);
    await pause();
    return { simple, mixed: await timedUnchanged(server, hops) };
  });
  const simple = runs.map((run) => run.simple);
  return [
    figure("warm, 100 simple properties", "ms", simple),
    figure(
      "warm, web server of 60 properties",
      "ms",
      runs.map((run) => run.mixed),
      { limit: { name: "the hundred", value: median(simple) }, budget },
    ),
  ];
};
