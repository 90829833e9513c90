import { availability, sourceThatForbidsKeeping } from "../data/lookup";
import type { PreparedHost } from "../engine/prepare";
import { hostsIn } from "../model/application";
import { type AvailableDatum, isAmong } from "../model/data-names";
import { Refused } from "../model/errors";
import { HostModel, shared } from "../model/host";
import type { HostState } from "../model/types";

/** The data that a host and those deployed from it require. */
export interface RequiredData {
  readonly available: readonly AvailableDatum[];
  /** Why no source has a datum, or why it must not be kept on the host that would keep it. */
  readonly complaints: readonly string[];
}

/** Asks the sources for the data that the host and those deployed from it require. Fetches nothing. */
export async function requiredData({
  model,
  application,
}: Pick<PreparedHost, "model" | "application">): Promise<RequiredData> {
  const found = await Promise.all(model.all(shared.data).map(availability));
  const available = found.filter((each) => typeof each !== "string");
  const missing = found.filter((each) => typeof each === "string");
  if (missing.length > 0) return { available, complaints: missing };
  const hosts = hostsIn({ host: model.toJSON(), application });
  return { available, complaints: [...new Set((await Promise.all(hosts.map(keptInVain))).flat())] };
}

/** As `requiredData`; throws `Refused` when a datum cannot be had, or must not be kept where it would be. */
export async function availableData(prepared: PreparedHost): Promise<readonly AvailableDatum[]> {
  const { available, complaints } = await requiredData(prepared);
  if (complaints.length > 0) throw new Refused(prepared.name, complaints);
  return available;
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
