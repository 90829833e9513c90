/** Whether a systemd unit does what it was started for. */
import { type Change, FailedChange, type PosixTarget, shellQuote } from "consfigurator";
import { systemctl, systemdEnvironment } from "./_systemctl";
import { aboutUnits } from "./_systemctlVerbs";

interface Unit {
  readonly unit: string;
  readonly userInstance?: boolean | undefined;
}

/** Seconds that a unit must run before its start counts. */
const MIN_UPTIME = 1;
/** Lines of the journal that a failure shows. */
const JOURNAL_LINES = 8;

const PROPERTIES =
  "LoadState,ActiveState,SubState,Result,Type,ConditionResult,ConditionTimestampMonotonic,ExecMainStatus,InvocationID";

type State = Partial<Record<string, string>>;

/** Does `verb` to the unit. Throws with the last lines of its journal when systemd refuses, or the unit fails. */
export async function startUnit(target: PosixTarget, verb: "start" | "restart", args: Unit): Promise<Change> {
  const result = await systemctl(target, [verb, args.unit], args, { mayFail: true });
  if (result.exit === 0) return "changed";
  throw new FailedChange(await startFailure(target, args, result.stderr.trim() || result.stdout.trim()));
}

/** Why a unit did not start; `printed` is what systemctl or service said. */
export async function startFailure(target: PosixTarget, args: Unit, printed: string): Promise<string> {
  const [state = {}] = states((await show(target, args, "")).stdout);
  const reason = await problem(target, args, state);
  return `${args.unit} did not start: ${reason ?? (printed || "no reason was given")}`;
}

/** What keeps the unit from running, a moment after its start; undefined when it runs. */
export async function whyNotRunning(target: PosixTarget, args: Unit): Promise<string | undefined> {
  const { stdout } = await show(target, args, `; sleep ${MIN_UPTIME}; echo; `);
  const [first = {}, second = {}] = states(stdout);
  const found = await problem(target, args, second);
  if (found !== undefined) return `${args.unit} does not run: ${found}`;
  if (first["InvocationID"] === second["InvocationID"] || isFinishedOneshot(second)) return undefined;
  return `${args.unit} does not keep running: it ended and was restarted within ${MIN_UPTIME} s${await journal(target, args)}`;
}

/** `between` is shell text between two looks; without it there is one look. */
const show = async (target: PosixTarget, args: Unit, between: string) => {
  const look = `systemctl${args.userInstance ? " --user" : ""} show -p ${PROPERTIES} -- ${shellQuote(args.unit)}`;
  return target.query(`${look}${between}${between === "" ? "" : look}`, {
    mayFail: true,
    about: aboutUnits([args.unit]),
    env: await systemdEnvironment(target, args),
  });
};

const states = (text: string): State[] =>
  text
    .split(/\n\n/)
    .map((part) => Object.fromEntries(part.split("\n").map((line) => line.split(/=(.*)/s, 2))) as State);

const isFinishedOneshot = (state: State): boolean =>
  state["Type"] === "oneshot" && state["ActiveState"] === "inactive" && state["Result"] === "success";

async function problem(target: PosixTarget, args: Unit, state: State): Promise<string | undefined> {
  const { unit, userInstance } = args;
  const command = `systemctl${userInstance ? " --user" : ""}`;
  if (state["LoadState"] === "not-found")
    return `systemd knows no such unit; correct the name, or install what provides it before this property`;
  if (state["LoadState"] === "masked")
    return `it is masked; remove systemd.masked("${unit}"), or run \`${command} unmask ${unit}\``;
  const active = state["ActiveState"];
  if (active === "active" || active === "reloading" || active === "refreshing") return undefined;
  // Of a unit that systemd has unloaded since, no condition was tried.
  const tried = state["ConditionTimestampMonotonic"] !== "0";
  if (tried && state["ConditionResult"] === "no" && active === "inactive")
    return `a condition in its unit file is not met: see \`${command} status ${unit}\``;
  if (isFinishedOneshot(state)) return undefined;
  return `${ending(state)}${await journal(target, args)}`;
}

/** How the unit ended, as far as systemd says. */
function ending(state: State): string {
  const { ExecMainStatus: status, Result: result, ActiveState, SubState } = state;
  if (result === "exit-code" && status !== "0") return `it ended with exit code ${status}`;
  if (result === "signal" || result === "core-dump") return `signal ${status} ended it`;
  if (result === "success" && ActiveState === "inactive") return "it ended without an error";
  if (result !== undefined && result !== "success") return `it failed (${result})`;
  return `it is ${ActiveState} (${SubState})`;
}

async function journal(target: PosixTarget, args: Unit): Promise<string> {
  const which = args.userInstance ? `--user -u ${shellQuote(args.unit)}` : `-u ${shellQuote(args.unit)}`;
  const { stdout } = await target.query(
    `journalctl --sync 2>/dev/null; journalctl -q --no-pager -o cat -n ${JOURNAL_LINES} ${which}`,
    { mayFail: true, env: await systemdEnvironment(target, args) },
  );
  const lines = stdout.trim();
  return lines === "" ? "; its journal is empty" : `; the last lines of its journal:\n${lines}`;
}
