/** The time zone of a host. */
import { AbortedChange, attribute, type Change, defprop, type PosixTarget, schema } from "consfigurator";
import { noninteractive } from "./_aptGet";
import { needsRoot } from "./_needs";
import * as os from "./_os";

const { object, string } = schema;

const zoneName = () =>
  string({
    pattern: "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$",
    description: 'a time zone, such as "Europe/London"',
  });

const declaredZone = attribute<string>("timezone");
const localtime = "/etc/localtime";
const zones = "/usr/share/zoneinfo";

/**
 * The host's local time is that of `zone`, a name below /usr/share/zoneinfo: /etc/localtime links there, and on what
 * descends from Debian /etc/timezone and the settings of tzdata agree.
 *
 * @example timezone.configured("Europe/London")
 */
export const configured = defprop({
  name: "timezone.configured",
  kind: "posix",
  args: object({ zone: zoneName() }),
  call: (zone: string) => ({ zone }),
  desc: ({ zone }) => `time zone ${zone}`,
  hostattrs: ({ zone }, host) => {
    os.required(host, "linux");
    host.push(declaredZone, zone);
  },
  check: async ({ zone }, target) => {
    const [link, name] = await Promise.all([target.readLink(localtime), debianName(target)]);
    return link === `${zones}/${zone}` && (name === undefined || name === zone);
  },
  apply: async ({ zone }, target) => {
    await needsRoot(target, "timezone.configured");
    if (!(await target.stat(`${zones}/${zone}`))) {
      throw new AbortedChange(
        `there is no time zone "${zone}": ${zones}/${zone} is missing; is the name right, and tzdata installed?`,
      );
    }
    const linked = await target.symlink(localtime, `${zones}/${zone}`);
    const named = os.runs(target.host, "debianlike") ? await nameForDebian(target, zone) : "unchanged";
    return linked === "changed" || named === "changed" ? "changed" : "unchanged";
  },
});

/** What /etc/timezone says; undefined on a system that has no such file. */
async function debianName(target: PosixTarget): Promise<string | undefined> {
  if (!os.runs(target.host, "debianlike")) return undefined;
  return (await target.readLines("/etc/timezone")).join("\n");
}

async function nameForDebian(target: PosixTarget, zone: string): Promise<Change> {
  const change = await target.ensureContent("/etc/timezone", `${zone}\n`);
  if (change === "unchanged" || !(await target.hasCommand("dpkg-reconfigure"))) return change;
  await target.run(["dpkg-reconfigure", "-fnone", "tzdata"], { env: noninteractive });
  // A newer tzdata removes the file.
  await target.ensureContent("/etc/timezone", `${zone}\n`);
  return change;
}
