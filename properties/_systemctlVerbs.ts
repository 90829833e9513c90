/** The verbs of systemctl: which of them only ask, and what the others do. */
import path from "node:path";
import {
  type CommandResult,
  type HostChange,
  type HostParts,
  type PlanModel,
  shellQuote,
} from "consfigurator";

interface Instance {
  readonly userInstance?: boolean | undefined;
}
type UnitChange = Extract<HostChange, { kind: "unit" }>;

/** The directories where the system instance finds units, in order. */
export const SEARCH_PATH = [
  "/etc/systemd/system.control",
  "/run/systemd/system.control",
  "/run/systemd/transient",
  "/run/systemd/generator.early",
  "/etc/systemd/system",
  "/etc/systemd/system.attached",
  "/run/systemd/system",
  "/run/systemd/system.attached",
  "/run/systemd/generator",
  "/usr/local/lib/systemd/system",
  "/usr/lib/systemd/system",
  "/lib/systemd/system",
  "/run/systemd/generator.late",
];
/** Where the administrator keeps units, and systemctl its links. */
export const OWN_UNITS = "/etc/systemd/system";

const QUESTIONS = new Set(["is-active", "is-enabled", "is-failed", "show", "status", "cat", "list-units"]);

/** Whether this verb changes nothing. */
export const isQuestion = (verb: string): boolean => QUESTIONS.has(verb);

/** A command line of systemctl, for the system instance or the connected user's. */
export const systemctlCommand = (words: readonly string[], { userInstance }: Instance): readonly string[] => [
  "systemctl",
  ...(userInstance ? ["--user"] : []),
  ...words,
];

const SHOWN =
  "LoadState,ActiveState,SubState,Result,Type,ConditionResult,ConditionTimestampMonotonic,ExecMainStatus,InvocationID,NRestarts,ActiveEnterTimestampMonotonic";

/**
 * A command line that prints what systemd says of a unit, as `NAME=value`, and the time as `Now`: in ticks, since the host was
 * booted. /proc/uptime would be that of a container.
 */
export const unitLook = (unit: string, { userInstance }: Instance): string =>
  `echo "Now=$(cut -d ' ' -f 22 /proc/self/stat)"; systemctl${userInstance ? " --user" : ""} show -p ${SHOWN} -- ${shellQuote(unit)}`;

/** What such a command prints first of a unit that has been started, or stopped. */
export const plannedLook = (runs: boolean): Partial<CommandResult> => ({
  stdout: `ActiveState=${runs ? "active" : "inactive"}\n`,
});

/** The verb and the units among `words`. */
export function parsed(words: readonly string[]): { verb: string; units: readonly string[]; now: boolean } {
  const [verb = "", ...rest] = words;
  const units = rest.filter(
    (word, index) => !word.startsWith("-") && !/^(-p|-P|--property)$/.test(rest[index - 1] ?? ""),
  );
  return { verb, units, now: rest.includes("--now") };
}

/** `unit` with the suffix that systemctl adds. */
export const unitFileName = (unit: string): string =>
  /\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$/.test(unit)
    ? unit
    : `${unit}.service`;

/** What the state of `units` depends on. */
export const aboutUnits = (units: readonly string[]): HostParts => ({
  units: units.map(unitFileName),
  paths: units.flatMap((unit) => SEARCH_PATH.map((directory) => `${directory}/${unitFileName(unit)}`)),
  additions: true,
});

const CHANGES: Readonly<Record<string, UnitChange["change"]>> = {
  start: "started",
  stop: "stopped",
  restart: "restarted",
  reload: "reloaded",
  "reload-or-restart": "reloaded",
  enable: "enabled",
  disable: "disabled",
  mask: "masked",
  unmask: "unmasked",
};

const ALSO_NOW: Readonly<Record<string, UnitChange["change"]>> = { enable: "started", disable: "stopped" };

/** What the command does to its units. */
export function unitChanges(words: readonly string[]): readonly UnitChange[] {
  const { verb, units, now } = parsed(words);
  const change = CHANGES[verb];
  if (!change) return [];
  const also = now ? ALSO_NOW[verb] : undefined;
  const changes = also ? [change, also] : [change];
  return units.flatMap((unit) => changes.map((each) => ({ kind: "unit", unit, change: each }) as const));
}

/** Does to `model` what the command does to a host. */
export async function predictSystemctl(
  model: PlanModel,
  words: readonly string[],
  instance: Instance,
): Promise<Partial<CommandResult> | undefined> {
  const { verb, units, now } = parsed(words);
  if (verb === "daemon-reload") return undefined;
  for (const unit of ["mask", "unmask"].includes(verb) ? [] : units) {
    const state = await loadState(model, unit, instance);
    if (state === "not-found") return { exit: 5, stderr: `Unit ${unitFileName(unit)} not found.` };
    if (state === "masked" && verb !== "stop" && verb !== "disable")
      return { exit: 1, stderr: `Unit ${unitFileName(unit)} is masked.` };
  }
  // Whether a service starts is known once it has been tried.
  if (verb !== "disable" && verb !== "mask" && verb !== "unmask") model.mayFail();
  const isRunning =
    ["start", "restart", "reload", "reload-or-restart"].includes(verb) || (verb === "enable" && now);
  const isStopped = verb === "stop" || (verb === "disable" && now);
  if (isRunning || isStopped) {
    // A service may create what it needs when it starts.
    model.mayChange({ units: units.map(unitFileName), ...(isRunning && { additions: true }) });
    const result = isRunning ? { exit: 0 } : { exit: 3 };
    for (const unit of units) {
      const about = aboutUnits([unit]);
      model.answer(systemctlCommand(["is-active", "--quiet", unit], instance), result, about);
      model.answer(unitLook(unit, instance), plannedLook(isRunning), about);
    }
  }
  if (!["enable", "disable", "mask", "unmask"].includes(verb)) return undefined;
  for (const unit of units) await predictLinks(model, verb, unit, instance);
  return undefined;
}

/** What systemd would make of the unit's file: "not-found", "masked", "loaded". */
export async function loadState(model: PlanModel, unit: string, instance: Instance): Promise<string> {
  const name = unitFileName(unit);
  const planned = await Promise.all(SEARCH_PATH.map((directory) => model.lstat(`${directory}/${name}`)));
  const command = systemctlCommand(["show", "-p", "LoadState", "--", unit], instance);
  const { stdout } = await model.query(command, { mayFail: true, about: aboutUnits([unit]) });
  const state = stdout.trim().replace("LoadState=", "");
  return state === "not-found" && planned.some(Boolean) ? "loaded" : state;
}

async function predictLinks(model: PlanModel, verb: string, unit: string, instance: Instance): Promise<void> {
  const name = unitFileName(unit);
  const state = { enable: "enabled", disable: "disabled", mask: "masked", unmask: "" }[verb] ?? "";
  if (instance.userInstance || state === "")
    model.mayChange({ units: [name], paths: [`${OWN_UNITS}/${name}`] });
  if (!instance.userInstance) {
    if (verb === "mask") await model.symlink(`${OWN_UNITS}/${name}`, "/dev/null");
    else if (verb === "unmask") await model.remove(`${OWN_UNITS}/${name}`);
    else await predictWants(model, verb === "enable", name);
  }
  if (state === "") return;
  const answer = { exit: verb === "enable" ? 0 : 1, stdout: `${state}\n` };
  model.answer(systemctlCommand(["is-enabled", unit], instance), answer, aboutUnits([unit]));
}

/** The links below OWN_UNITS that `enable` makes, as the unit file says, or that `disable` removes. */
async function predictWants(model: PlanModel, enables: boolean, name: string): Promise<void> {
  const found = await Promise.all(SEARCH_PATH.map((directory) => model.lstat(`${directory}/${name}`)));
  const directory = SEARCH_PATH[found.findIndex((stat) => stat?.type === "file")];
  if (directory === undefined) return model.mayChange({ paths: [OWN_UNITS] });
  const file = `${directory}/${name}`;
  for (const line of await model.readLines(file)) {
    const [, key = "", value = ""] = /^\s*(WantedBy|RequiredBy|Alias)\s*=(.*)$/.exec(line) ?? [];
    for (const other of value.split(/\s+/).filter((each) => each !== "")) {
      const kind = key === "WantedBy" ? "wants" : "requires";
      const link = key === "Alias" ? `${OWN_UNITS}/${other}` : `${OWN_UNITS}/${other}.${kind}/${name}`;
      if (enables) await model.makeDirectory(path.posix.dirname(link));
      if (enables) await model.symlink(link, file);
      else await model.remove(link);
    }
  }
}
