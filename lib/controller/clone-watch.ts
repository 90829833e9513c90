import { isAgentConnection } from "../agent/client/connection";
import { outsideOf } from "../connection/clone";
import { type LayerChange, layerChanges, layersSize } from "../connection/clone-layers";
import { resultOf } from "../connection/command-result";
import type { Connection } from "../model/connection";
import { ConnectionFailed } from "../model/errors";
import type { RehearsedUnit } from "../model/rehearsal";

/** What happens in a clone from when it is first looked at. */
export class CloneWatch {
  private constructor(
    private readonly inside: Connection,
    /** A shell on the machine before the clone, which sees both. */
    readonly outside: Connection,
    private readonly stamps: ReadonlyMap<string, string | undefined>,
    private readonly units: ReadonlyMap<string, UnitState>,
    /** The units that failed while the clone was booted, and have not failed on the machine. */
    readonly failed: readonly string[],
  ) {}

  /** Looks at the clone that `connection` leads to, or its agent. */
  static async begin(connection: Connection): Promise<CloneWatch> {
    const inside = isAgentConnection(connection) ? connection.parent : connection;
    const outside = await outsideOf(inside);
    if (!outside) throw new ConnectionFailed(connection.description, "it does not lead to a clone");
    const [changes, units, failedOutside] = await Promise.all([
      layerChanges(outside),
      unitsOf(inside),
      resultOf(outside, FAILED_UNITS),
    ]);
    const stamps = new Map(changes.map(({ path, after }) => [path, after?.stamp]));
    const known = failedOutside.stdout.split("\n");
    const failed = [...units].filter(([unit, { active }]) => active === "failed" && !known.includes(unit));
    return new CloneWatch(
      inside,
      outside,
      stamps,
      units,
      failed.map(([unit]) => unit),
    );
  }

  /** The files that differ from those of the machine, and were changed meanwhile. */
  async changes(): Promise<LayerChange[]> {
    const all = await layerChanges(this.outside);
    return all.filter(({ path, after }) => !this.stamps.has(path) || this.stamps.get(path) !== after?.stamp);
  }

  /** The units that were started meanwhile, or failed. */
  async started(): Promise<RehearsedUnit[]> {
    await resultOf(this.inside, SETTLED);
    return [...(await unitsOf(this.inside))]
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .flatMap(([unit, now]) => {
        const earlier = this.units.get(unit);
        const hasStarted = now.invocation !== "" && now.invocation !== earlier?.invocation;
        const hasFailed = now.active === "failed" && earlier?.active !== "failed";
        if (!hasStarted && !hasFailed) return [];
        const isRestarting = now.restarts > (hasStarted ? 0 : (earlier?.restarts ?? 0));
        const healthy =
          now.result === "success" &&
          !isRestarting &&
          ["active", "inactive", "reloading"].includes(now.active);
        const why = now.result === "success" ? "" : `, ${now.result}`;
        const again = isRestarting ? `, restarted ${now.restarts} times` : "";
        return [{ unit, state: `${now.active} (${now.sub}${why}${again})`, healthy }];
      });
  }

  /** False: no services are started there. */
  get hasSystemd(): boolean {
    return this.units.size > 0;
  }

  /** Bytes of memory that changed files take. */
  memory(): Promise<number> {
    return layersSize(this.outside);
  }
}

interface UnitState {
  readonly active: string;
  readonly sub: string;
  readonly result: string;
  readonly invocation: string;
  readonly restarts: number;
}

/** Does nothing without systemd. */
const SYSTEMD = `[ "$(cat /proc/1/comm)" = systemd ] || exit 0`;

/** Waits for what is being started, for 10 s. */
const SETTLED = `${SYSTEMD}
n=0; while systemctl list-units --state=activating,deactivating --plain --no-legend | grep -q . && [ $((n += 1)) -lt 100 ]; do sleep 0.1; done`;

/** Prints the state of each unit. */
const UNITS = `${SYSTEMD}
systemctl show --no-pager -p Id,ActiveState,SubState,Result,InvocationID,NRestarts '*.service' '*.timer' '*.socket' '*.path'`;

const FAILED_UNITS = "systemctl --failed --plain --no-legend 2>/dev/null | cut -d' ' -f1";

/** Units of sessions, such as those of the deployment itself. */
const OF_SESSIONS = /^(user@|user-runtime-dir@|getty@|serial-getty@|console-getty)/;

async function unitsOf(inside: Connection): Promise<Map<string, UnitState>> {
  const { stdout } = await resultOf(inside, UNITS);
  const units = new Map<string, UnitState>();
  for (const block of stdout.split("\n\n")) {
    const of = Object.fromEntries(block.split("\n").map((line) => line.split(/=(.*)/s).slice(0, 2)));
    if (!of["Id"] || OF_SESSIONS.test(of["Id"])) continue;
    units.set(of["Id"], {
      active: of["ActiveState"] ?? "",
      sub: of["SubState"] ?? "",
      result: of["Result"] || "success",
      invocation: of["InvocationID"] ?? "",
      restarts: Number(of["NRestarts"] ?? 0),
    });
  }
  return units;
}
