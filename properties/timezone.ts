/** The time zone of a host. */
import {
  AbortedChange,
  attribute,
  type Change,
  defprop,
  defproplist,
  type HostFacts,
  InapplicableProperty,
  type PosixTarget,
  schema,
} from "consfigurator";
import { noninteractive } from "./_aptGet";
import { needsRoot } from "./_needs";
import * as os from "./_os";

const { object, string } = schema;

const zoneName = () =>
  string({
    pattern: "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$",
    description: 'a time zone, such as "Europe/London"',
    suggest: "time zones",
  });

const declaredZone = attribute<string>("timezone");
const localtime = "/etc/localtime";
const zones = "/usr/share/zoneinfo";

/**
 * The time zone of the host is `zone`, a name below /usr/share/zoneinfo. /etc/localtime links there; on Debian and its
 * derivatives, /etc/timezone and the debconf settings of tzdata agree. Another name of the same zone counts, such as
 * "Etc/UTC" for "UTC".
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
    const [link, name, current, wanted] = await Promise.all([
      target.readLink(localtime),
      debianName(target),
      target.stat(localtime),
      target.stat(`${zones}/${zone}`),
    ]);
    if (wanted === undefined || current?.id !== wanted.id || !link?.includes("zoneinfo/")) return false;
    if (name === undefined || name === zone) return true;
    // tzdata has names of its own: it makes Etc/UTC of UTC, which is the same zone.
    return name !== "" && (await target.stat(`${zones}/${name}`))?.id === wanted.id;
  },
  apply: async ({ zone }, target) => {
    await needsRoot(target, "timezone.configured");
    if (!(await target.stat(`${zones}/${zone}`))) {
      throw new AbortedChange(
        `unknown time zone "${zone}": ${zones}/${zone} is missing; check the name, and that tzdata is installed`,
      );
    }
    const linked = await target.symlink(localtime, `${zones}/${zone}`);
    const named = os.runs(target.host, "debianlike") ? await setDebianName(target, zone) : "unchanged";
    return linked === "changed" || named === "changed" ? "changed" : "unchanged";
  },
});

function zoneOfParent({ parent, name }: HostFacts): string {
  if (!parent)
    throw new InapplicableProperty(
      `${name} is inside no other host; only hosts made with makeChildHost are. Use timezone.configured here`,
    );
  const zone = parent.newest(declaredZone);
  if (zone !== undefined) return zone;
  throw new InapplicableProperty(
    `${parent.name}, which contains this host, declares no time zone; put timezone.configured("Europe/London") or the like into it before the property that deploys this host`,
  );
}

/**
 * The time zone of the host is that of the host that contains it; refused if that declares none.
 *
 * @example timezone.configuredFromParent()
 */
export const configuredFromParent = defproplist({
  name: "timezone.configuredFromParent",
  args: object({}),
  call: () => ({}),
  desc: () => "time zone of the containing host",
  hostattrs: (_args, host) => {
    os.required(host, "linux");
    zoneOfParent(host);
  },
  parts: (_args, host) => [configured(zoneOfParent(host))],
});

/** The content of /etc/timezone; undefined on a system that does not use this file. */
async function debianName(target: PosixTarget): Promise<string | undefined> {
  if (!os.runs(target.host, "debianlike")) return undefined;
  return (await target.readLines("/etc/timezone")).join("\n");
}

async function setDebianName(target: PosixTarget, zone: string): Promise<Change> {
  const change = await target.ensureContent("/etc/timezone", `${zone}\n`);
  if (change === "unchanged" || !(await target.hasCommand("dpkg-reconfigure"))) return change;
  // It writes the two files that are written here already.
  const predict = () => undefined;
  await target.run(["dpkg-reconfigure", "-fnone", "tzdata"], { env: noninteractive, predict });
  // A newer tzdata removes the file.
  await target.ensureContent("/etc/timezone", `${zone}\n`);
  return change;
}
