/**
 * Settings of firewalld, in its runtime and in its permanent configuration. Each is changed by itself and nothing is
 * reloaded, so rules that others have added to the runtime alone survive.
 */
import {
  AbortedChange,
  type Change,
  type CommandResult,
  defprop,
  FailedChange,
  type HostParts,
  type PosixTarget,
  schema,
  shellWords,
} from "consfigurator";
import { overDbus } from "./_firewallDbus";
import { isInhibited } from "./_inhibited";
import { needsRoot } from "./_needs";

const { boolean, list, object, optional, string } = schema;

export const ETC = "/etc/firewalld";

const about: HostParts = { paths: [ETC], packages: true, units: true };

const words = () => list(string());

const settingArgs = object({
  property: string(),
  shown: string(),
  /** Arguments that ask, add and remove; the last ones for the tool that works without the daemon, where they differ. */
  query: words(),
  add: words(),
  remove: words(),
  removeOffline: optional(words()),
  /** False: only in the permanent configuration. */
  runtime: boolean(),
});
type Setting = schema.Infer<typeof settingArgs>;

/** Where a setting is asked and made: by the daemon, or in its files while it does not run. */
type Place = "runtime" | "permanent" | "offline";

const commandIn = (place: Place, args: readonly string[]): string[] =>
  place === "offline"
    ? ["firewall-offline-cmd", ...args]
    : ["firewall-cmd", ...(place === "permanent" ? ["--permanent"] : []), ...args];

/** How `query` is asked in `place`: where there is no busctl(1), firewall-cmd is asked. */
function questionIn(place: Place, query: readonly string[]): string | string[] {
  const command = commandIn(place, query);
  const quicker = place === "offline" ? undefined : overDbus(place, query);
  return quicker === undefined
    ? command
    : `if command -v busctl >/dev/null; then ${quicker}; else ${shellWords(command)}; fi`;
}

/** Whether the daemon is to be told: not where services are inhibited, and not while it does not run. */
export async function isRunning(target: PosixTarget): Promise<boolean> {
  if (isInhibited(target)) return false;
  // Much quicker than to ask firewalld itself.
  const hasSystemd = (await target.stat("/run/systemd/system"))?.type === "directory";
  const question = hasSystemd
    ? ["systemctl", "is-active", "--quiet", "firewalld.service"]
    : ["firewall-cmd", "--state"];
  return target.succeeds(question, { about: { packages: true, units: true } });
}

const placesOf = async (target: PosixTarget, { runtime }: Pick<Setting, "runtime">): Promise<Place[]> =>
  !(await isRunning(target)) ? ["offline"] : runtime ? ["runtime", "permanent"] : ["permanent"];

/** In which of the places where it should be the setting is not yet, or is still when `wanted` is false. */
async function wrongIn(target: PosixTarget, setting: Setting, wanted: boolean): Promise<Place[]> {
  const places = await placesOf(target, setting);
  const found = await Promise.all(
    places.map((place) => target.succeeds(questionIn(place, setting.query), { about })),
  );
  return places.filter((_place, index) => found[index] !== wanted);
}

async function change(target: PosixTarget, setting: Setting, wanted: boolean): Promise<Change> {
  await needsRoot(target, setting.property);
  if (!(await target.hasCommand("firewall-offline-cmd")))
    throw new AbortedChange("firewalld is not installed; put firewalld.installed() before this property");
  const wrong = await wrongIn(target, setting, wanted);
  for (const place of wrong) {
    const removing = place === "offline" ? (setting.removeOffline ?? setting.remove) : setting.remove;
    await firewallCmd(target, commandIn(place, wanted ? setting.add : removing), {
      asked: questionIn(place, setting.query),
      answer: { exit: wanted ? 0 : 1 },
    });
  }
  return wrong.length > 0 ? "changed" : "unchanged";
}

/** Runs a command that changes the configuration, after which the command `asked` has `answer`. */
export async function firewallCmd(
  target: PosixTarget,
  command: readonly string[],
  after?: { readonly asked: string | readonly string[]; readonly answer: Partial<CommandResult> },
): Promise<void> {
  const { exit, stdout, stderr } = await target.run(command, {
    mayFail: true,
    predict: (model) => {
      model.mayFail();
      model.mayChange({ paths: [ETC] });
      if (after) model.answer(after.asked, after.answer, about);
      return undefined;
    },
  });
  if (exit === 0) return;
  const said = (stderr.trim() || stdout.trim() || `exit code ${exit}`).replace(/^Error: /, "");
  throw new FailedChange(`firewalld refuses ${shellWords(command.slice(1))}: ${said}`);
}

/** Something that firewalld has or has not. One that is only in one of the two configurations is completed, or removed. */
export const setting = defprop({
  name: "firewalld._setting",
  kind: "posix",
  args: settingArgs,
  desc: ({ shown }) => shown,
  apply: (args, target) => change(target, args, true),
  unapply: (args, target) => change(target, args, false),
});

/** A value that firewalld has one of. */
export const value = defprop({
  name: "firewalld._value",
  kind: "posix",
  args: object({
    property: string(),
    shown: string(),
    query: words(),
    value: string(),
    set: words(),
    /** False: it is asked and set for both configurations at once. */
    permanent: boolean(),
  }),
  desc: ({ shown }) => shown,
  check: async ({ query, value, permanent }, target) => {
    const command = questionIn(await placeOf(target, permanent), query);
    const { exit, stdout } = await target.query(command, { mayFail: true, about });
    return exit === 0 && stdout.trim() === value;
  },
  apply: async ({ property, query, value, set, permanent }, target) => {
    await needsRoot(target, property);
    const place = await placeOf(target, permanent);
    await firewallCmd(target, commandIn(place, set), {
      asked: questionIn(place, query),
      answer: { exit: 0, stdout: `${value}\n` },
    });
    return "changed";
  },
});

const placeOf = async (target: PosixTarget, permanent: boolean): Promise<Place> =>
  !(await isRunning(target)) ? "offline" : permanent ? "permanent" : "runtime";

/** firewalld reads its permanent configuration, which ends what is only in its runtime. */
export const reloaded = defprop({
  name: "firewalld._reloaded",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "firewalld reloaded",
  apply: async (_args, target) => {
    if (!(await isRunning(target))) return "unchanged";
    await firewallCmd(target, ["firewall-cmd", "--reload"]);
    return "changed";
  },
});
