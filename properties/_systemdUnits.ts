/** Files of systemd units, judged by systemd before they are put in place. */
import {
  AbortedChange,
  defprop,
  defproplist,
  onChange,
  type PosixTarget,
  schema,
  withCreatedNoted,
  withCreatedRemoved,
} from "consfigurator";
import { isInhibited } from "./_inhibited";
import { content, type Lines, wholeText } from "./_lines";
import { needsRoot } from "./_needs";
import * as os from "./_os";
import { enabledState, linkedState, systemctl } from "./_systemctl";
import { OWN_UNITS, SEARCH_PATH } from "./_systemctlVerbs";
import { check, checking } from "./_validate";

const { account, boolean, list, object, optional, string } = schema;

const unitName = () =>
  string({
    pattern:
      "^(?!-)[A-Za-z0-9:_.@\\\\-]+\\.(service|socket|device|mount|automount|swap|target|path|timer|slice)$",
    maxLength: 255,
    description: 'a unit with its suffix, such as "shop.service"',
  });
const fileName = () =>
  string({ pattern: "^[A-Za-z0-9][A-Za-z0-9_.-]*$", description: 'the name of a file, such as "limits"' });

/** Warnings about the unit itself count, such as an unknown key; those about units that it needs do not. */
const VERIFY = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", "%s"];

const reloadedUnits = defprop({
  name: "systemd._unitsRead",
  kind: "posix",
  args: object({}),
  desc: () => "systemd reads its units",
  inline: true,
  apply: async (_args, target) => {
    if (isInhibited(target)) return "unchanged";
    await systemctl(target, ["daemon-reload"], {});
    return "changed";
  },
});

const fileArgs = object({ unit: string(), path: string(), text: string(), property: string() });

const unitFile = defprop({
  name: "systemd._unitFile",
  kind: "posix",
  args: fileArgs,
  desc: ({ path }) => `content of ${path}`,
  apply: async ({ path, text, property }, target) => {
    await needsRoot(target, property);
    return target.ensureContent(path, text, checking(target, path, VERIFY));
  },
  unapply: async ({ path, property }, target) => {
    await needsRoot(target, property);
    return target.remove(path);
  },
});

const dropInFile = defprop({
  name: "systemd._dropInFile",
  kind: "posix",
  args: fileArgs,
  desc: ({ path }) => `content of ${path}`,
  apply: async ({ unit, path, text, property }, target) => {
    await needsRoot(target, property);
    const validate = (draft: Buffer) => checkDropIn(target, unit, path, draft);
    return withCreatedNoted(target, path, () => target.ensureContent(path, text, { validate }));
  },
  unapply: async ({ path, property }, target) => {
    await needsRoot(target, property);
    return withCreatedRemoved(target, path, () => target.remove(path));
  },
});

/** systemd judges the unit as it would be with the drop-in: a copy of it, in a directory that systemd searches first. */
async function checkDropIn(target: PosixTarget, unit: string, path: string, draft: Buffer): Promise<void> {
  const own = `${OWN_UNITS}/${unit}`;
  const found = await Promise.all(SEARCH_PATH.map((directory) => target.stat(`${directory}/${unit}`)));
  const directory = SEARCH_PATH[found.findIndex((stat) => stat?.type === "file")];
  if (directory === undefined)
    throw new AbortedChange(
      `there is no unit ${unit} for the drop-in ${path}; correct the name, or install what provides it before this property`,
    );
  await target.withTemporaryDirectory(async (temporary) => {
    const copy = `${temporary}/${unit}`;
    await target.copyFile(`${directory}/${unit}`, copy);
    await target.makeDirectory(`${copy}.d`);
    await target.writeFile(
      path.replace(own, () => copy),
      draft,
    );
    await check(target, VERIFY, copy, own, draft, path);
  });
}

/**
 * The file /etc/systemd/system/`unit` has `content`, and systemd has read it; the unit is neither started nor enabled: see
 * `systemd.started` and `systemd.enabled`. A unit that runs goes on as it was until `systemd.restarted`. `systemd-analyze verify` judges the new
 * content before it is put in place, so a misspelled key or a command that is not there is refused; it must be that of systemd 250 or
 * newer. Unapplying it deletes the file.
 *
 * @example systemd.hasUnit("shop.service", ["[Service]", "ExecStart=/usr/bin/sleep infinity", "[Install]", "WantedBy=multi-user.target"])
 */
export const hasUnit = defproplist({
  name: "systemd.hasUnit",
  args: object({ unit: unitName(), content: content() }),
  call: (unit: string, content: Lines) => ({ unit, content }),
  desc: ({ unit }) => `unit ${unit}`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  parts: ({ unit, content }) => {
    const path = `${OWN_UNITS}/${unit}`;
    const file = unitFile({ unit, path, text: wholeText(content), property: "systemd.hasUnit" });
    return [onChange(file, reloadedUnits({}))];
  },
});

/**
 * The unit `unit` has the drop-in `name`: the file /etc/systemd/system/`unit`.d/`name`.conf has `content`, and systemd has read it. The unit must
 * exist, and is judged with the drop-in as by `systemd.hasUnit`, before the file is put in place. Unapplying it deletes the file, and
 * the directory that was created for it.
 *
 * @example systemd.hasDropIn("ssh.service", "limits", ["[Service]", "LimitNOFILE=65536"])
 */
export const hasDropIn = defproplist({
  name: "systemd.hasDropIn",
  args: object({ unit: unitName(), name: fileName(), content: content() }),
  call: (unit: string, name: string, content: Lines) => ({ unit, name, content }),
  desc: ({ unit, name }) => `${unit} has the drop-in ${name}`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  parts: ({ unit, name, content }) => {
    const path = `${OWN_UNITS}/${unit}.d/${name}.conf`;
    const file = dropInFile({ unit, path, text: wholeText(content), property: "systemd.hasDropIn" });
    return [onChange(file, reloadedUnits({}))];
  },
});

const timerArgs = object({
  name: string({
    pattern: "^[A-Za-z0-9][A-Za-z0-9:_.-]*$",
    maxLength: 247,
    description: 'the name of units without a suffix, such as "backup"',
  }),
  when: list(
    string({
      pattern: "^[A-Za-z0-9*][^\\n]*$",
      description: 'a time as in systemd.time(7), such as "daily" or "Mon *-*-* 04:30"',
    }),
    { minItems: 1 },
  ),
  command: string({
    pattern: "^/[^\\n]*$",
    description: 'a command with its whole path, such as "/usr/local/bin/backup --all"',
  }),
  user: optional(account()),
  persistent: optional(boolean()),
});
type Timer = schema.Infer<typeof timerArgs>;

const timerRuns = defprop({
  name: "systemd._timerRuns",
  kind: "posix",
  args: object({ unit: string() }),
  desc: ({ unit }) => `${unit} enabled and started`,
  check: async ({ unit }, target) => {
    const state = (await linkedState(target, { unit })) ?? (await enabledState(target, { unit })).state;
    return state === "enabled" && (isInhibited(target) || (await isActive(target, unit)));
  },
  apply: async ({ unit }, target) => {
    await needsRoot(target, "systemd.hasTimer");
    await systemctl(target, ["enable", ...now(target), unit], {});
    return "changed";
  },
  unapply: async ({ unit }, target) => {
    await needsRoot(target, "systemd.hasTimer");
    await systemctl(target, ["disable", ...now(target), unit], {});
    return "changed";
  },
});

const now = (target: PosixTarget): string[] => (isInhibited(target) ? [] : ["--now"]);
const isActive = async (target: PosixTarget, unit: string): Promise<boolean> =>
  (await systemctl(target, ["is-active", "--quiet", unit], {}, { mayFail: true })).exit === 0;

/**
 * systemd runs `command` at each of the times `when`, as root or as `user`: by the units `name`.timer, which is enabled and started, and
 * `name`.service. A run that was missed while the host was off is caught up on, unless `persistent` is false. The output is in the
 * journal of the service. `command` is as in ExecStart=, without a shell. Both units are judged as by `systemd.hasUnit`.
 * Unapplying it stops the timer and deletes both.
 *
 * @example systemd.hasTimer("backup", { when: ["Mon..Fri 04:30"], command: "/usr/bin/true --all" })
 */
export const hasTimer = defproplist({
  name: "systemd.hasTimer",
  args: timerArgs,
  call: (name: string, { when, ...options }: Omit<Timer, "name" | "when"> & { when: string | string[] }) => ({
    name,
    when: [when].flat(),
    ...options,
  }),
  desc: ({ name, when, command }) => `${command} ${when.join(", ")}, by ${name}.timer`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  parts: ({ name, when, command, user, persistent = true }) => [
    hasUnit(`${name}.service`, [
      ...["[Unit]", `Description=${name}`, "", "[Service]", "Type=oneshot", `ExecStart=${command}`],
      ...(user === undefined ? [] : [`User=${user}`]),
    ]),
    hasUnit(`${name}.timer`, [
      ...["[Unit]", `Description=Runs ${name}`, "", "[Timer]", ...when.map((each) => `OnCalendar=${each}`)],
      ...[...(persistent ? ["Persistent=true"] : []), "", "[Install]", "WantedBy=timers.target"],
    ]),
    timerRuns({ unit: `${name}.timer` }),
  ],
});
