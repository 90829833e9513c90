import { LRUCache } from "lru-cache";
import type { AvailableDatum, Datum } from "../model/data-names";
import { type DataSource, dataSources, type SourceContext, type Version } from "../model/data-source";
import { MissingData } from "../model/errors";
import { NotFetched } from "../model/plan";
import type { LargeDatum } from "../model/questions";
import { inPieces, largeFile } from "./_large";
import { compareVersions } from "./_versions";

/** Bytes of data that are remembered in a session. */
const MAX_REMEMBERED = 32 * 1024 * 1024;
/** The most that a source may have in memory. */
const MAX_DATUM = 64 * 1024 * 1024;

/** A source that has a datum. */
interface Offer {
  readonly source: DataSource;
  readonly version: Version;
}

interface Remembered extends Offer {
  readonly bytes: Buffer;
}

/** What was fetched in this session. In memory only. */
const remembered = new LRUCache<string, Remembered>({
  maxSize: MAX_REMEMBERED,
  sizeCalculation: ({ bytes }) => bytes.length + 1,
});
/** Forgets the data that was fetched in this session. Returns how many. */
export function forgetData(): number {
  const count = remembered.size;
  remembered.clear();
  return count;
}

/** So that hosts that are deployed at once ask for a datum once. */
const fetching = new Map<string, Promise<Buffer>>();

/**
 * The datum, from the source that has its newest version. Rejects with `MissingData` when there is none, and, when
 * `planning`, with `NotFetched` when getting it might ask the user.
 */
export async function getData(
  iden1: string,
  iden2: string,
  planning: boolean,
  context: SourceContext,
): Promise<Buffer | LargeDatum> {
  const offer = await offerOf(iden1, iden2);
  const key = JSON.stringify([iden1, iden2]);
  const known = remembered.get(key);
  if (known && known.source === offer.source && known.version === offer.version) return inPieces(known.bytes);
  if (planning && offer.source.asks)
    throw new NotFetched(
      `a plan does not get ${named(iden1, iden2)} from ${offer.source.name}, because that may ask you`,
    );
  const large = await largeOf(offer, iden1, iden2);
  if (large) return large;
  const underWay = fetching.get(key) ?? fetched(offer, iden1, iden2, context);
  fetching.set(key, underWay);
  try {
    const bytes = await underWay;
    remembered.set(key, { ...offer, bytes });
    return inPieces(bytes);
  } finally {
    if (fetching.get(key) === underWay) fetching.delete(key);
  }
}

/** The datum, if it is a large file of this machine. */
async function largeOf({ source }: Offer, iden1: string, iden2: string): Promise<LargeDatum | undefined> {
  const file = source.file?.(iden1, iden2);
  try {
    return file === undefined ? undefined : await largeFile(file, `the data ${named(iden1, iden2)}`);
  } catch (error) {
    throw cannotGet(source, iden1, iden2, error);
  }
}

function cannotGet(source: DataSource, iden1: string, iden2: string, error: unknown): MissingData {
  return new MissingData(
    `cannot get ${named(iden1, iden2)} from ${source.name}: ${(error as Error).message}`,
    { cause: error },
  );
}

async function fetched(
  { source }: Offer,
  iden1: string,
  iden2: string,
  context: SourceContext,
): Promise<Buffer> {
  try {
    const bytes = Buffer.from((await source.get(iden1, iden2, context)) as string);
    if (bytes.length > MAX_DATUM)
      throw new MissingData(
        `it has ${bytes.length} bytes, more than the limit of ${MAX_DATUM}; data of any size comes from files: source.filesTree or source.localFile`,
      );
    return bytes;
  } catch (error) {
    throw cannotGet(source, iden1, iden2, error);
  }
}

/** Where the datum would come from; or why no source has it. Fetches nothing. */
export async function availability(datum: Datum): Promise<AvailableDatum | string> {
  try {
    const { source } = await offerOf(...datum);
    return { datum, source: source.name, ...(source.asks && { asks: true }) };
  } catch (error) {
    return (error as Error).message;
  }
}

/** The source from which the datum would come, if no host may keep it. Fetches nothing. */
export async function sourceThatForbidsKeeping(iden1: string, iden2: string): Promise<string | undefined> {
  const { source } = await offerOf(iden1, iden2);
  return source.kept?.(iden1, iden2) === false ? source.name : undefined;
}

/** The source with the newest version; the one registered last of those. Rejects with `MissingData`. */
async function offerOf(iden1: string, iden2: string): Promise<Offer> {
  const sources = dataSources.values();
  const asked = await Promise.all(sources.map((source) => versionIn(source, iden1, iden2)));
  const offers = asked.flatMap(({ offer }) => offer ?? []);
  const best = offers.reduce<Offer | undefined>(
    (newest, offer) => (newest && compareVersions(newest.version, offer.version) > 0 ? newest : offer),
    undefined,
  );
  if (best) return best;
  const reasons = asked.flatMap(({ reason }) => reason ?? []);
  const missing = `no data source has ${named(iden1, iden2)}`;
  throw new MissingData(
    sources.length === 0
      ? `${missing}: none is registered; write registerDataSource(source.pass()), or another source, in the consfig`
      : [missing, ...reasons].join("; "),
  );
}

async function versionIn(
  source: DataSource,
  iden1: string,
  iden2: string,
): Promise<{ readonly offer?: Offer; readonly reason?: string }> {
  try {
    const version = await source.version(iden1, iden2);
    if (version !== undefined) return { offer: { source, version } };
    const hint = source.hint?.(iden1, iden2);
    return { reason: `${source.name}${hint === undefined ? " does not have it" : `: ${hint}`}` };
  } catch (error) {
    return { reason: `${source.name}: ${(error as Error).message}` };
  }
}

const named = (iden1: string, iden2: string): string => `(${iden1}, ${iden2})`;
