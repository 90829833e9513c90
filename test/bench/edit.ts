/** A file of the consfig is changed, and deployed: what a person does all day. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { deflateRawSync } from "node:zlib";
import { pushSources } from "../../lib/controller/push";
import { bootMachine } from "../support/machines";
import { linkTo, openWorkplace, pause, repeated, timed, timeTrue, type Workplace } from "./_bench";
import { type Figure, figure, median } from "./_figures";
import type { Measure } from "./_process";

const roundTrip = 50;
/** Milliseconds beyond one round trip; as a multiple of L1; bytes sent beyond those of the change itself. */
const budget = { beyond: 300, times: 6, bytes: 2000 };

export const measure: Measure = async ({ long }) => {
  using workplace = openWorkplace();
  await using machine = await bootMachine({ name: "bench" });
  await using link = await linkTo(machine, roundTrip);
  const host = workplace.host("six");
  await timed(host, link.hops);
  const figures: Figure[] = [];
  for (const pushed of [false, true]) {
    const runs = await repeated(long ? 20 : 6, async () => {
      await pause();
      const limit = await timeTrue(host, link.hops);
      await pause(200);
      link.proxy.reset();
      const change = edit(workplace);
      if (pushed) {
        await pushSources();
        await pause();
      }
      const { ms, report } = await timed(host, link.hops);
      if (report.changed.length !== 1) throw new Error("the edit was to change one step");
      return { ms, limit, change: change(), ...link.proxy.bytes };
    });
    const limit = { name: "L1", value: median(runs.map((run) => run.limit)) };
    const change = { name: "change", value: median(runs.map((run) => run.change)) };
    const label = pushed ? "edit, pushed when it was saved → deploy" : "edit → deploy";
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

/** Changes one line of a property's file. Gives what tells how many bytes its compiled form has, compressed. */
function edit({ root, consfig }: Workplace): () => number {
  const file = path.join(root, "properties", "banner.ts");
  const text = readFileSync(file, "utf8");
  writeFileSync(
    file,
    text.replace(/edition (\d+)/, (_, edition) => `edition ${Number(edition) + 1}`),
  );
  return () => {
    const sent = consfig.manifest(["banner.says"]).files.find((each) => each.path.endsWith("banner.js"));
    if (!sent) throw new Error("the edited file does not travel");
    return deflateRawSync(consfig.blob(sent.hash)).length;
  };
}
