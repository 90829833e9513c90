import { sourceThatForbidsKeeping, whyMissing } from "../data/lookup";
import type { PreparedHost } from "../engine/prepare";
import { hostsIn } from "../model/application";
import { isAmong } from "../model/data-names";
import { Refused } from "../model/errors";
import { HostModel, shared } from "../model/host";
import type { HostState } from "../model/types";

/**
 * For each datum that the host and those deployed from it require: why no source has it, or why it must not be kept on the
 * host that would keep it. Fetches nothing.
 */
export async function dataComplaints({
  model,
  application,
}: Pick<PreparedHost, "model" | "application">): Promise<string[]> {
  const required = model.all(shared.data);
  const missing = await Promise.all(required.map(([iden1, iden2]) => whyMissing(iden1, iden2)));
  const reasons = missing.flatMap((reason) => reason ?? []);
  if (reasons.length > 0) return reasons;
  const hosts = hostsIn({ host: model.toJSON(), application });
  return [...new Set((await Promise.all(hosts.map(keptInVain))).flat())];
}

/** Throws `Refused` when a datum that the host requires cannot be had, or must not be kept where it would be. */
export async function refuseDataComplaints(prepared: PreparedHost): Promise<void> {
  const complaints = await dataComplaints(prepared);
  if (complaints.length > 0) throw new Refused(prepared.name, complaints);
}

/** For each datum that `host` would keep, so that it can repeat its deployment, against the will of its source: what to do. */
async function keptInVain(host: HostState): Promise<string[]> {
  const model = new HostModel(host);
  const repetitions = model.all(shared.repetitions);
  const kept = model
    .all(shared.data)
    .filter((datum) => repetitions.some(({ without }) => !isAmong(datum, without)));
  const complaints = await Promise.all(
    kept.map(async ([iden1, iden2]) => {
      const source = await sourceThatForbidsKeeping(iden1, iden2);
      return source === undefined
        ? []
        : `${source} forbids that a host keeps (${iden1}, ${iden2}), which ${model.name} would do to repeat its deployment by itself; give { without: [${JSON.stringify([iden1, iden2])}] } to the property that repeats it, or have the data from a source that allows it`;
    }),
  );
  return complaints.flat();
}
