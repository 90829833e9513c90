/** Whether a systemd unit does what it was started for. */
import { type Change, FailedChange, type PosixTarget, shellQuote } from "consfigurator";
import { portsInUse } from "./_listeners";
import { systemctl, systemdEnvironment } from "./_systemctl";
import { aboutUnits, unitLook } from "./_systemctlVerbs";
import { crashLoop, isUp, look, MIN_UPTIME, type State, stateIn, type Unit } from "./_unitLook";

/** Lines of the journal that a failure shows. */
const JOURNAL_LINES = 8;

export type StartVerb = "start" | "restart" | "reload-or-restart";

const DONE: Readonly<Record<StartVerb, string>> = {
  start: "start",
  restart: "restart",
  "reload-or-restart": "reload",
};

/** Does `verb` to the unit. Throws with the last lines of its journal when systemd refuses, or the unit fails. */
export async function startUnit(target: PosixTarget, verb: StartVerb, args: Unit): Promise<Change> {
  if (verb !== "start") await forgetRestarts(target, args);
  const result = await systemctl(target, [verb, args.unit], args, { mayFail: true });
  if (result.exit === 0) return "changed";
  const printed = result.stderr.trim() || result.stdout.trim();
  throw new FailedChange(await startFailure(target, args, printed, verb));
}

/** The unit reloads its configuration: it is restarted when it cannot, and started when it does not run. */
export async function reloadUnit(target: PosixTarget, args: Unit): Promise<Change> {
  return startUnit(target, isUp(await look(target, args)) ? "reload-or-restart" : "start", args);
}

/** Restarts by systemd before one that is wanted say nothing of what runs then; systemd keeps counting. */
export async function forgetRestarts(target: PosixTarget, args: Unit): Promise<void> {
  if (Number((await look(target, args))["NRestarts"] ?? 0) > 0)
    await systemctl(target, ["reset-failed", args.unit], args, { mayFail: true });
}

/** Why a unit did not start, or whatever `verb` says; `printed` is what systemctl or service said. */
export async function startFailure(
  target: PosixTarget,
  args: Unit,
  printed: string,
  verb: StartVerb = "start",
): Promise<string> {
  const state = await look(target, args);
  const did = isUp(state) ? DONE[verb] : "start";
  const said = async () => `${printed || "no reason was given"}${await journal(target, args)}`;
  return `${args.unit} did not ${did}: ${(await problem(target, args, state)) ?? (await said())}`;
}

/** What keeps the unit from running, a moment after its start; undefined when it runs. */
export async function whyNotRunning(target: PosixTarget, args: Unit): Promise<string | undefined> {
  const command = unitLook(args.unit, args);
  const { stdout } = await target.query(`${command}; sleep ${MIN_UPTIME}; echo; ${command}`, {
    mayFail: true,
    about: aboutUnits([args.unit]),
    env: await systemdEnvironment(target, args),
  });
  const [first = {}, second = {}] = stdout.split("\n\n").map(stateIn);
  const found = await problem(target, args, second);
  if (found !== undefined) return `${args.unit} does not run: ${found}`;
  if (isFinishedOneshot(second)) return undefined;
  const isSame = first["InvocationID"] === second["InvocationID"];
  const loop = isSame ? crashLoop(second) : `it ended and was restarted within ${MIN_UPTIME} s`;
  if (loop === undefined) return undefined;
  return `${args.unit} does not keep running: ${loop}${await journal(target, args)}`;
}

const systemctlOf = ({ userInstance }: Unit): string => `systemctl${userInstance ? " --user" : ""}`;

/** That a unit is masked, and what to do. */
export const maskedReason = (args: Unit): string =>
  `it is masked; remove systemd.masked("${args.unit}"), or run \`${systemctlOf(args)} unmask ${args.unit}\``;

const isFinishedOneshot = (state: State): boolean =>
  state["Type"] === "oneshot" && state["ActiveState"] === "inactive" && state["Result"] === "success";

async function problem(target: PosixTarget, args: Unit, state: State): Promise<string | undefined> {
  if (state["LoadState"] === "not-found")
    return `systemd knows no such unit; correct the name, or install what provides it before this property`;
  if (state["LoadState"] === "masked") return maskedReason(args);
  if (isUp(state)) return undefined;
  // Of a unit that systemd has unloaded since, no condition was tried.
  const tried = state["ConditionTimestampMonotonic"] !== "0";
  if (tried && state["ConditionResult"] === "no" && state["ActiveState"] === "inactive")
    return `a condition in its unit file is not met: see \`${systemctlOf(args)} status ${args.unit}\``;
  if (isFinishedOneshot(state)) return undefined;
  return `${ending(state)}${await journal(target, args)}`;
}

/** How the unit ended, as far as systemd says. */
function ending(state: State): string {
  const { ExecMainStatus: status, Result: result, ActiveState, SubState } = state;
  if (result === "exit-code" && status !== "0") return `it ended with exit code ${status}`;
  if (result === "exit-code") return "a command of its unit file failed";
  if (result === "signal" || result === "core-dump") return `signal ${status} ended it`;
  if (result === "success" && ActiveState === "inactive") return "it ended without an error";
  if (result !== undefined && result !== "success") return `it failed (${result})`;
  return `it is ${ActiveState} (${SubState})`;
}

async function journal(target: PosixTarget, args: Unit): Promise<string> {
  const lines = await lastLines(target, args.unit, args);
  if (lines === "") return "; its journal is empty";
  return `${await portsInUse(target, lines)}; the last lines of its journal:\n${lines}`;
}

/**
 * `; its log:` and what a service has printed since it was last started, or what systemd says of another unit; empty when
 * there is nothing.
 */
export async function journalOf(target: PosixTarget, unit: string): Promise<string> {
  if (!unit.endsWith(".service")) {
    const said = await lastLines(target, unit, { lines: 3 });
    return said === "" ? "" : `; its log:\n${said}`;
  }
  const { stdout } = await systemctl(target, ["show", unit, "-P", "InvocationID"], {}, { mayFail: true });
  const id = stdout.trim();
  const lines = await lastLines(target, unit, { lines: 20, ...(id !== "" && { invocation: id }) });
  return lines === "" ? "" : `; its log:\n${lines}`;
}

interface Lines {
  readonly userInstance?: boolean | undefined;
  readonly lines?: number;
  /** Only those of this run of the unit. */
  readonly invocation?: string;
}

async function lastLines(
  target: PosixTarget,
  unit: string,
  { userInstance, lines = JOURNAL_LINES, invocation }: Lines,
): Promise<string> {
  const ofUnit = userInstance ? `--user -u ${shellQuote(unit)}` : `-u ${shellQuote(unit)}`;
  const which = invocation === undefined ? ofUnit : `_SYSTEMD_INVOCATION_ID=${invocation}`;
  const { stdout } = await target.query(
    `journalctl --sync 2>/dev/null; journalctl -q --no-pager -o cat -n ${lines} ${which}`,
    { mayFail: true, env: await systemdEnvironment(target, { userInstance }) },
  );
  return stdout.trim();
}
