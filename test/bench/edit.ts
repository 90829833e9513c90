/** Editing a file of the consfig and deploying it: the most common task of a user. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { deflateRawSync } from "node:zlib";
import { pushSources } from "../../lib/controller/push";
import { bootMachine } from "../support/machines";
import { linkTo, openWorkspace, pause, repeated, timed, timeTrue, type Workspace } from "./_bench";
import { type Figure, figure, median } from "./_figures";
import type { Measure } from "./_process";

const roundTrip = 50;
/** Milliseconds beyond one round trip; multiple of L1; bytes sent beyond the change itself. */
const budget = { beyond: 300, times: 6, bytes: 2000 };

export const measure: Measure = async ({ long }) => {
  using workspace = openWorkspace();
  await using machine = await bootMachine({ name: "bench" });
  await using link = await linkTo(machine, roundTrip);
  const host = workspace.host("six");
  await timed(host, link.hops);
  const figures: Figure[] = [];
  for (const pushed of [false, true]) {
    const runs = await repeated(long ? 20 : 6, async () => {
      await pause();
      const limit = await timeTrue(host, link.hops);
      await pause(200);
      link.proxy.reset();
      const change = edit(workspace);
      if (pushed) {
        await pushSources();
        await pause();
      }
      const { ms, report } = await timed(host, link.hops);
      if (report.changed.length !== 1) throw new Error("expected the edit to change one step");
      return { ms, limit, change: change(), ...link.proxy.bytes };
    });
    const limit = { name: "L1", value: median(runs.map((run) => run.limit)) };
    const change = { name: "change", value: median(runs.map((run) => run.change)) };
    const label = pushed ? "edit, pushed on save → deploy" : "edit → deploy";
    const times = runs.map(({ ms }) => ms);
    const value = roundTrip + budget.beyond;
    figures.push(
      figure(`${label}, ${roundTrip} ms`, "ms", times, { limit, budget: { value, times: budget.times } }),
    );
    const bytes = runs.map(({ up }) => up);
    const most = { value: change.value + budget.bytes };
    figures.push(figure(`${label}: sent`, "bytes", bytes, { limit: change, budget: most }));
  }
  return figures;
};

/** Changes one line of a property's file. Returns a function for the size of its compiled form, compressed, in bytes. */
function edit({ root, consfig }: Workspace): () => number {
  const file = path.join(root, "properties", "banner.ts");
  const text = readFileSync(file, "utf8");
  writeFileSync(
    file,
    text.replace(/edition (\d+)/, (_, edition) => `edition ${Number(edition) + 1}`),
  );
  return () => {
    const sent = consfig.manifest(["banner.says"]).files.find((each) => each.path.endsWith("banner.js"));
    if (!sent) throw new Error("the edited file is not sent");
    return deflateRawSync(consfig.blob(sent.hash)).length;
  };
}
