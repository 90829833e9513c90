import { isDeepStrictEqual } from "node:util";
import { refuseArguments } from "../model/errors";
import type { Row } from "../model/rows";
import type { Seen } from "../model/seen";
import { type Asked, againOf, type Located, type Rows } from "./rows";
import { Watch } from "./watching";

/** How a table is watched. */
export interface WatchOptions {
  /** The seconds between two questions. Default: 2. */
  readonly every?: number;
  /** The columns that tell which rows belong together. Default: the first of `name`, `path`, `place`, `destination`, `pid`; else all. */
  readonly by?: readonly string[];
  /** Columns that are not compared. Default: `cpu`, and those in bytes or seconds. */
  readonly without?: readonly string[];
}

/**
 * Asks a question again and again, and sees the rows that are new, changed or gone since the time before. It ends when it is
 * stopped, as with Ctrl-C, and leaves nothing on the hosts. A host that does not answer is seen as "lost", and goes on where
 * it was when it is "back". Throws `InvalidArguments` for rows that were not asked with `on`.
 *
 * @example watch(on(web1).services().filter(({ state }) => state === "failed"), { every: 10 })
 */
export function watch<R extends Row>(
  question: Asked<Located<R>>,
  { every = 2, by, without }: WatchOptions = {},
): Watch<Located<R>> {
  const again = question instanceof Promise ? againOf(question) : undefined;
  refuseArguments(
    "watch",
    [
      ...(again
        ? []
        : [
            "expected a question, such as on(web1).services(); rows that have arrived cannot be asked for again",
          ]),
      ...(every >= LEAST_S ? [] : [`every is ${every}; it is a number of seconds, at least ${LEAST_S}`]),
    ],
    watch,
  );
  return new Watch(async (see, signal) => {
    const known = new Known<Located<R>>(see, by, without);
    known.begin(await question);
    while (await passed(every * 1000, signal))
      known.compare(await (again as NonNullable<typeof again>)(), signal);
  });
}

const LEAST_S = 0.1;
const KEYS = ["name", "path", "place", "destination", "pid"];
const VOLATILE = ["cpu"];

/** The rows as they were last, by host. */
class Known<R extends Located<Row>> {
  readonly #hosts = new Map<string, Map<string, R>>();
  #lost = new Set<string>();

  constructor(
    private readonly see: (seen: Seen<R>) => void,
    private readonly by: readonly string[] | undefined,
    private readonly without: readonly string[] = VOLATILE,
  ) {}

  begin(rows: Rows<R>): void {
    this.#noteLost(rows);
    for (const [host, all] of this.#byHost(rows)) this.#hosts.set(host, all);
  }

  compare(rows: Rows<R>, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#noteLost(rows);
    const now = this.#byHost(rows);
    for (const host of new Set([...this.#hosts.keys(), ...now.keys()])) {
      if (this.#lost.has(host)) continue;
      const [old, current] = [this.#hosts.get(host) ?? new Map(), now.get(host) ?? new Map<string, R>()];
      this.#differences(host, old, current);
      this.#hosts.set(host, current);
    }
  }

  #differences(host: string, old: ReadonlyMap<string, R>, now: ReadonlyMap<string, R>): void {
    const at = new Date().toISOString();
    for (const [key, row] of old) if (!now.has(key)) this.see({ host, at, change: "gone", row });
    for (const [key, row] of now) {
      const before = old.get(key);
      if (!before) this.see({ host, at, change: "new", row });
      else if (this.#differ(before, row)) this.see({ host, at, change: "changed", row, before });
    }
  }

  #differ(before: R, row: R): boolean {
    return Object.keys(row).some(
      (column) =>
        !this.without.includes(column) &&
        !/(Bytes|Seconds)$/.test(column) &&
        !isDeepStrictEqual(before[column], row[column]),
    );
  }

  #noteLost({ errors }: Rows<R>): void {
    const at = new Date().toISOString();
    for (const { host, message } of errors)
      if (!this.#lost.has(host)) this.see({ host, at, change: "lost", message });
    const lost = new Set(errors.map(({ host }) => host));
    for (const host of this.#lost) if (!lost.has(host)) this.see({ host, at, change: "back" });
    this.#lost = lost;
  }

  /** Equal rows are numbered. */
  #byHost(rows: Rows<R>): Map<string, Map<string, R>> {
    const all = new Map<string, Map<string, R>>();
    for (const row of rows) {
      const ofHost = all.get(row.host) ?? new Map<string, R>();
      all.set(row.host, ofHost);
      const key = this.#keyOf(row);
      let numbered = key;
      for (let number = 2; ofHost.has(numbered); number += 1) numbered = `${key} ${number}`;
      ofHost.set(numbered, row);
    }
    return all;
  }

  #keyOf(row: R): string {
    const own = KEYS.find((each) => each in row);
    const keys = this.by ?? (own === undefined ? Object.keys(row) : [own]);
    return JSON.stringify(keys.map((each) => row[each]));
  }
}

/** Resolves after this time to true, or at once to false when `signal` aborts. */
const passed = (ms: number, signal: AbortSignal): Promise<boolean> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve(false);
    const stop = () => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve(true);
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
