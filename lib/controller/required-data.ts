import { whyMissing } from "../data/lookup";
import { Refused } from "../model/errors";
import { type HostModel, shared } from "../model/host";

/** For each datum that the host and those deployed from it require: why no source has it. Fetches nothing. */
export async function missingData(model: HostModel): Promise<string[]> {
  const required = model.all(shared.data);
  const missing = await Promise.all(required.map(([iden1, iden2]) => whyMissing(iden1, iden2)));
  return missing.flatMap((reason) => reason ?? []);
}

/** Throws `Refused` when a datum that the host requires cannot be had. */
export async function refuseMissingData(model: HostModel): Promise<void> {
  const complaints = await missingData(model);
  if (complaints.length > 0) throw new Refused(model.name, complaints);
}
