import type { Cell } from "../model/rows";
import { object } from "../model/schema";
import { deftable } from "../model/table";
import type { PosixTarget } from "../model/target";
import { BOOT_TIME, type LoginRecord, loginRecords, RUN_LEVEL } from "./_wtmp";

/** A boot of the machine. */
interface BootRow {
  readonly [column: string]: Cell;
  readonly when: string;
  /** When it was shut down; of one that ended otherwise, the last that the journal has of it. */
  readonly until: string | null;
  readonly upSeconds: number | null;
  readonly kernel: string | null;
  readonly ended: "still up" | "cleanly" | "not cleanly";
}

/**
 * The boots of the machine, newest first, as far back as the host tells: wtmp(5) of this month and the one before, and the
 * journal for what is not there. `ended`: "still up", "cleanly" after a shutdown, "not cleanly" after a crash or a power
 * failure; then `until` is the last that the journal has of it.
 */
export const reboots = deftable({
  name: "tables.reboots",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target): Promise<BootRow[]> => {
    const [older, newer, clock] = await Promise.all([
      wtmp("/var/log/wtmp.1", target),
      wtmp("/var/log/wtmp", target),
      clockOf(target),
    ]);
    let boots = bootsIn([...loginRecords(older), ...loginRecords(newer)]);
    const newest = boots.at(-1);
    const isCurrent = newest && newest.end === undefined && newest.start > clock.booted - CLOCK_DRIFT_MS;
    if (!isCurrent || boots.some(({ end }, index) => end === undefined && index < boots.length - 1))
      boots = withJournal(boots, await journalled(target));
    const last = boots.at(-1);
    // Nothing has recorded the boot that is running.
    if (!last || last.start < clock.booted - CLOCK_DRIFT_MS)
      boots.push({ start: clock.booted, kernel: clock.kernel });
    return boots
      .map((boot, index) => rowOf(boot, boots[index + 1], clock))
      .slice(-MOST_BOOTS)
      .reverse();
  },
});

/** Times in milliseconds since 1970. */
interface Boot {
  readonly start: number;
  readonly kernel: string | null;
  /** When it was shut down. */
  end?: number;
  /** The last sign of one that was not shut down. */
  seen?: number;
}

/** The newest so many. */
const MOST_BOOTS = 1000;

/** Between the kernel's time of a boot and a record of it; the clock may be set in between. */
const CLOCK_DRIFT_MS = 120_000;
/** The journal prints whole seconds. */
const ROUNDED_MS = 1500;

const wtmp = async (path: string, target: PosixTarget): Promise<Buffer> =>
  (await target.readBytes(path).catch(() => undefined)) ?? Buffer.alloc(0);

function bootsIn(records: readonly LoginRecord[]): Boot[] {
  const boots: Boot[] = [];
  for (const { type, user, host, at } of records) {
    const last = boots.at(-1);
    if (type === BOOT_TIME) boots.push({ start: at, kernel: host || null });
    else if (type === RUN_LEVEL && user === "shutdown" && last) last.end ??= at;
  }
  return boots;
}

interface Clock {
  readonly booted: number;
  readonly now: number;
  readonly kernel: string | null;
}

async function clockOf(target: PosixTarget): Promise<Clock> {
  const [stat, uptime, release] = await Promise.all(
    ["/proc/stat", "/proc/uptime", "/proc/sys/kernel/osrelease"].map((path) => target.readLines(path)),
  );
  const booted = Number(stat?.find((line) => line.startsWith("btime "))?.slice(6)) * 1000;
  if (booted > 0) {
    const [up] = uptime?.[0]?.split(" ") ?? [];
    return { booted, now: booted + Math.round(Number(up) * 1000), kernel: release?.[0] || null };
  }
  // FreeBSD: `{ sec = 1700000000, usec = 1 } …`.
  const { stdout } = await target.query("sysctl -n kern.boottime; date +%s; uname -r");
  const [boot, now, kernel] = stdout.split("\n");
  return {
    booted: Number(/sec = (\d+)/.exec(boot ?? "")?.[1]) * 1000,
    now: Number(now) * 1000,
    kernel: kernel || null,
  };
}

/** A boot as the journal has it. */
interface Journalled {
  readonly first: number;
  readonly last: number;
  readonly clean: boolean;
}

/** The message with which the journal of a boot ends, when it is shut down. */
const STOPPED = "d93fb3c9c24d451a97cea615ce59c00b";

async function journalled(target: PosixTarget): Promise<Journalled[]> {
  const ask = async (options: string) =>
    (
      await target.query(`journalctl --no-pager --quiet ${options}`, {
        mayFail: true,
        env: { TZ: "UTC" },
      })
    ).stdout.split("\n");
  const [boots, stops] = await Promise.all([
    ask("--list-boots"),
    ask(`--output=json --output-fields=_BOOT_ID MESSAGE_ID=${STOPPED}`),
  ]);
  const stopped = stops.flatMap((line) => {
    const [at, boot] = [fieldOf(line, "__REALTIME_TIMESTAMP"), fieldOf(line, "_BOOT_ID")];
    return at === undefined ? [] : [{ boot, at: Number(at) / 1000 }];
  });
  return boots.flatMap((line) => {
    const [id] = /[0-9a-f]{32}/.exec(line) ?? [];
    const [first, last] = [...line.matchAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g)].map(([text]) =>
      Date.parse(`${text.replace(" ", "T")}Z`),
    );
    if (first === undefined || last === undefined) return [];
    // The journal was only restarted where it goes on afterwards.
    const clean = stopped.some(({ boot, at }) => boot === id && Math.abs(at - last) < ROUNDED_MS);
    return [{ first, last, clean }];
  });
}

const fieldOf = (line: string, name: string): string | undefined =>
  new RegExp(`"${name}"\\s*:\\s*"([^"]*)"`).exec(line)?.[1];

/** `boots` with what the journal has of those that were not shut down, and of those after them. */
function withJournal(boots: readonly Boot[], journal: readonly Journalled[]): Boot[] {
  const others = [...journal];
  const known: Boot[] = [];
  // From the newest on, as each of the journal's is one of them only.
  for (const [index, boot] of [...boots.entries()].reverse()) {
    const next = boots[index + 1]?.start ?? Number.POSITIVE_INFINITY;
    const at = others.findLastIndex(
      ({ first }) =>
        first > boot.start - ROUNDED_MS && first < Math.min(boot.start + CLOCK_DRIFT_MS, next + ROUNDED_MS),
    );
    const [same] = at < 0 ? [] : others.splice(at, 1);
    known.unshift(boot.end === undefined && same ? { ...boot, ...endOf(same) } : boot);
  }
  const newest = boots.at(-1);
  const after = newest ? (newest.end ?? newest.start + CLOCK_DRIFT_MS) : Number.NEGATIVE_INFINITY;
  return [
    ...known,
    ...others
      .filter(({ first }) => first > after)
      .map((boot): Boot => ({ start: boot.first, kernel: null, ...endOf(boot) })),
  ];
}

const endOf = ({ last, clean }: Journalled): Pick<Boot, "end" | "seen"> =>
  clean ? { end: last } : { seen: last };

/** `next`: the boot after it; undefined for the one that is running. */
function rowOf({ start, kernel, end, seen }: Boot, next: Boot | undefined, clock: Clock): BootRow {
  const last = end ?? seen;
  const until = next && last && Math.max(start, last);
  const over = next ? until : clock.now;
  return {
    when: new Date(start).toISOString(),
    until: until === undefined ? null : new Date(until).toISOString(),
    upSeconds: over === undefined ? null : Math.max(0, Math.round((over - start) / 1000)),
    kernel: next ? kernel : clock.kernel,
    ended: next ? (end === undefined ? "not cleanly" : "cleanly") : "still up",
  };
}
