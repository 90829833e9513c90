/** A record of wtmp(5). */
export interface LoginRecord {
  /** As in utmp(5), such as `BOOT_TIME`. */
  readonly type: number;
  readonly user: string;
  /** Of a boot, the release of the kernel. */
  readonly host: string;
  /** In milliseconds since 1970. */
  readonly at: number;
}

export const RUN_LEVEL = 1;
export const BOOT_TIME = 2;
const LAST_TYPE = 9;

/** Where the fields are, which depends on the size of a `long` in the session and the time. */
interface Layout {
  readonly size: number;
  at(bytes: Buffer, start: number): number;
}

const LAYOUTS: readonly Layout[] = [
  {
    size: 384,
    at: (bytes, start) => bytes.readInt32LE(start + 340) * 1000 + bytes.readInt32LE(start + 344) / 1000,
  },
  {
    // Of 64-bit ARM and RISC-V.
    size: 400,
    at: (bytes, start) =>
      Number(bytes.readBigInt64LE(start + 344)) * 1000 + Number(bytes.readBigInt64LE(start + 352)) / 1000,
  },
];

/** The records of a file in the format of wtmp(5), oldest first; none where it has another format. */
export function loginRecords(bytes: Buffer): LoginRecord[] {
  for (const { size, at } of LAYOUTS) {
    const records = startsOf(bytes, size).map((start) => ({
      type: bytes.readInt16LE(start),
      user: textAt(bytes, start + 44, 32),
      host: textAt(bytes, start + 76, 256),
      at: Math.floor(at(bytes, start)),
    }));
    const isRight = records.every(({ type }) => type >= 0 && type <= LAST_TYPE);
    // Without a clock, a machine begins in 1970.
    if (isRight && records.some(isPlausible)) return records.filter(({ at: moment }) => isMoment(moment));
  }
  return [];
}

const isPlausible = ({ at }: LoginRecord): boolean => at > Date.UTC(1980) && at < Date.UTC(2200);

/** Whether a `Date` can have it. */
const isMoment = (at: number): boolean => at > 0 && at <= 8.64e15;

/** The last record may be incomplete. */
const startsOf = (bytes: Buffer, size: number): number[] =>
  Array.from({ length: Math.floor(bytes.length / size) }, (_, index) => index * size);

function textAt(bytes: Buffer, start: number, length: number): string {
  const text = bytes.subarray(start, start + length);
  const end = text.indexOf(0);
  return text.toString("utf8", 0, end < 0 ? length : end);
}
