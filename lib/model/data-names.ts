import { InapplicableProperty } from "./errors";

/** The two names of a datum. */
export type Datum = readonly [iden1: string, iden2: string];

/** A datum that a host needs, and where it would come from. */
export interface AvailableDatum {
  readonly datum: Datum;
  /** The name of the source that has its newest version. */
  readonly source: string;
  /** True: getting it may ask you. */
  readonly asks?: true;
}

/** `(_app, token) from source.pass(), which may ask you`. */
export const availableDatumAsText = ({ datum, source, asks }: AvailableDatum): string =>
  `(${datum.join(", ")}) from ${source}${asks ? ", which may ask you" : ""}`;

export const isAmong = ([iden1, iden2]: Datum, data: readonly Datum[]): boolean =>
  data.some(([first, second]) => first === iden1 && second === iden2);

/** Throws `InapplicableProperty` when a datum cannot be called (`iden1`, `iden2`). */
export function refuseIdentifiers(iden1: string, iden2: string): void {
  const wrong = [iden1, iden2].find((each) => typeof each !== "string" || each === "" || /[\0\n]/.test(each));
  if (wrong !== undefined)
    throw new InapplicableProperty(`data is named by two texts of one line, not by ${JSON.stringify(wrong)}`);
  if (!/^[-_]/.test(iden1) && !HOSTNAME.test(iden1))
    throw new InapplicableProperty(
      `the data (${iden1}, ${iden2}) needs another first name: that of a host, or one that begins with _ for what only this consfig knows`,
    );
}

/** As RFC 1123 has it. */
export const HOSTNAME = /^(?=.{1,253}$)(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*$/i;
