/**
 * Assigns test machines to processes. A slot is a number that determines the address and names of a machine; a process
 * takes it by creating its record, which several processes may try at once. The next process to start removes the
 * machines of dead processes.
 */
import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { runSync, tryRun } from "./_run";

/** Directory of base systems and machines: outside the checkout, only for root. */
export const cacheDirectory = process.env.CONSFIGURATOR_TEST_CACHE ?? "/var/cache/consfigurator-test";
const slotsDirectory = path.join(cacheDirectory, "machines");

/** Identifies a process, even when a later one has the same pid. */
export interface ProcessId {
  readonly pid: number;
  /** Its start time, in ticks since boot. */
  readonly start: string;
}

/** What belongs to a process. */
export interface Owned {
  /** The boot id of this computer: after a reboot the process is dead. */
  readonly boot: string;
  readonly owner: ProcessId;
}

/** Everything to remove with a machine. */
export interface Slot extends Owned {
  readonly number: number;
  readonly directory: string;
  readonly record: string;
  readonly unit: string;
  readonly cgroups: readonly string[];
  readonly base?: string;
  readonly supervisor?: ProcessId;
}

/** Slots in 198.18.0.0/16, a range reserved for network tests: .0.0 and .0.1 are the network and its bridge. */
const firstSlot = 2;
const lastSlot = 65_000;

/** Takes a free slot for this process. */
export function takeSlot(): Slot {
  mkdirSync(slotsDirectory, { recursive: true, mode: 0o700 });
  removeOnExit();
  for (let tries = 0; tries < 1000; tries++) {
    const slot = describeSlot(nextNumber());
    if (!claim(slot)) continue;
    try {
      mkdirSync(slot.directory, { mode: 0o755 });
      ownSlots.set(slot.number, slot);
      return slot;
    } catch {
      // Another process is still removing it.
      rmSync(slot.record, { force: true });
    }
  }
  throw new Error(`no free slot for a test machine in ${slotsDirectory}: remove stale files from it`);
}

/** Records what else to remove with the slot. */
export function updateSlot(slot: Slot, more: Partial<Pick<Slot, "base" | "cgroups" | "supervisor">>): Slot {
  const updated = { ...slot, ...more };
  const temporary = `${slot.record}.new`;
  writeFileSync(temporary, JSON.stringify(updated));
  renameSync(temporary, slot.record);
  ownSlots.set(slot.number, updated);
  return updated;
}

/** Stops the machine of a slot of this process as if its power failed, and removes it. */
export async function releaseSlot(number: number): Promise<void> {
  const slot = ownSlots.get(number);
  if (slot === undefined) return;
  ownSlots.delete(number);
  const { exit, stderr } = await tryRun(removal(slot));
  if (exit !== 0) throw new Error(`removing test machine ${slot.unit}: exit ${exit}\n${stderr}`);
}

/** Removes the machines of dead processes. */
export async function reapSlots(): Promise<void> {
  for (const name of recordNames()) {
    const slot = readSlot(name);
    if (slot === undefined || ownerLives(slot)) continue;
    const reaping = path.join(slotsDirectory, `${slot.number}.reaped-by-${process.pid}.json`);
    try {
      // Succeeds in only one of several processes.
      renameSync(path.join(slotsDirectory, name), reaping);
      writeFileSync(`${reaping}.new`, JSON.stringify({ ...slot, ...self(), record: reaping }));
      renameSync(`${reaping}.new`, reaping);
    } catch {
      continue;
    }
    await tryRun(removal(slot));
    rmSync(reaping, { force: true });
  }
}

/** Every taken slot, of any process. */
export function takenSlots(): Slot[] {
  return recordNames().flatMap((name) => readSlot(name) ?? []);
}

/** Calls `work`, which must be synchronous, when this process exits. */
export function whenProcessEnds(work: () => void): void {
  removeOnExit();
  exitHandlers.push(work);
}

/** The identity of process `pid`; `undefined` when it does not exist. */
export function processId(pid: number): ProcessId | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command, in parentheses, may contain anything; the start time is the 20th field after it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : { pid, start: fields[19] ?? "" };
  } catch {
    return undefined;
  }
}

const ownSlots = new Map<number, Slot>();
const exitHandlers: (() => void)[] = [];
let next = firstSlot + ((process.pid * 16) % (lastSlot - firstSlot));

/** Does not reuse addresses at once: neighbour tables may still have the previous machine. */
function nextNumber(): number {
  const number = next;
  next = next === lastSlot ? firstSlot : next + 1;
  return number % 256 === 255 || number % 256 === 0 ? nextNumber() : number;
}

function describeSlot(number: number): Slot {
  return {
    number,
    ...self(),
    directory: path.join(slotsDirectory, String(number)),
    record: path.join(slotsDirectory, `${number}.json`),
    unit: `cfgtest-${number}`,
    cgroups: [],
  };
}

/** Marks something as belonging to this process. */
export function self(): Owned {
  const owner = processId(process.pid);
  if (owner === undefined) throw new Error("/proc has no entry for this process: mount /proc");
  return { boot: bootId(), owner };
}

/** Creates the record atomically; false when it exists already. */
function claim(slot: Slot): boolean {
  const temporary = `${slot.record}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify(slot));
  try {
    linkSync(temporary, slot.record);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(temporary, { force: true });
  }
}

function recordNames(): string[] {
  try {
    return readdirSync(slotsDirectory).filter((name) => name.endsWith(".json"));
  } catch {
    return [];
  }
}

function readSlot(name: string): Slot | undefined {
  try {
    return JSON.parse(readFileSync(path.join(slotsDirectory, name), "utf8"));
  } catch {
    return undefined;
  }
}

export function ownerLives({ boot, owner }: Owned): boolean {
  return boot === bootId() && processId(owner.pid)?.start === owner.start;
}

function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/**
 * The command that removes a machine. A shell command, so that it can run synchronously, asynchronously, or from another
 * process.
 */
function removal(slot: Slot): string[] {
  const { pid = 0, start = "" } = (slot.boot === bootId() ? slot.supervisor : undefined) ?? {};
  return [
    "sh",
    "-c",
    removalScript,
    "sh",
    slot.directory,
    slot.record,
    slot.unit,
    String(pid),
    start,
    ...slot.cgroups,
  ];
}

const removalScript = `
directory=$1 record=$2 unit=$3 pid=$4 start=$5
shift 5
is_it() { [ "$pid" != 0 ] && [ "$(sed 's/.*) //' /proc/$pid/stat 2>/dev/null | cut -d ' ' -f 20)" = "$start" ]; }
if is_it; then
  kill -KILL $(cat /proc/$pid/task/$pid/children) 2>/dev/null
  kill -KILL $pid 2>/dev/null
fi
# systemd inside outlives its systemd-nspawn.
for cgroup in "$@"; do
  find "$cgroup" -name cgroup.procs -exec cat {} + 2>/dev/null
done | sort -un | xargs -r kill -KILL 2>/dev/null
for mounted in root disk; do
  tries=0
  while mountpoint -q "$directory/$mounted"; do
    umount "$directory/$mounted" 2>/dev/null && continue
    tries=$((tries + 1))
    [ $tries -lt 40 ] || { umount -l "$directory/$mounted"; break; }
    sleep 0.05
  done
done
ip link delete "vb-$unit" 2>/dev/null
rm -rf --one-file-system "$directory"
rmdir "/run/systemd/nspawn/propagate/$unit" 2>/dev/null
for cgroup in "$@"; do
  tries=0
  while [ -d "$cgroup" ] && [ $tries -lt 40 ]; do
    find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.05
    tries=$((tries + 1))
  done
done
rm -f "$record"
[ ! -e "$directory" ]
`;

let hooked = false;

function removeOnExit(): void {
  if (hooked) return;
  hooked = true;
  process.once("exit", () => {
    for (const slot of ownSlots.values()) {
      try {
        runSync(removal(slot));
      } catch (error) {
        process.stderr.write(`${String(error)}\n`);
      }
    }
    for (const work of exitHandlers) work();
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => process.exit(128 + (signal === "SIGINT" ? 2 : signal === "SIGTERM" ? 15 : 1)));
  }
}
