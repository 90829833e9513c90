/** What a container of a user is made of: the files of its system, and its configuration. */
import { AbortedChange, defprop, type PosixTarget, schema } from "consfigurator";
import { lxcName } from "./_lxcCommand";
import { type IdMap, idMaps, mapsFrom, ownMap, shiftScript } from "./_lxcIds";
import { needsRoot } from "./_needs";

const { account, boolean, line, list, object, optional } = schema;

/** Where the files of the container are: only root may write there, so nobody exchanges them while root works on them. */
export const placeOf = (user: string, name: string) => {
  const base = `/var/lib/consfigurator/lxc/${user}/${name}`;
  return { base, root: `${base}/rootfs`, built: `${base}/built`, ids: `${base}/ids` };
};

const maps = { uidMaps: optional(idMaps()), gidMaps: optional(idMaps()) };
const shiftArgs = object({ user: account(), name: lxcName(), ...maps });
type ShiftArgs = schema.Infer<typeof shiftArgs>;

/** The maps of users and groups. */
interface Ids {
  readonly uids: readonly IdMap[];
  readonly gids: readonly IdMap[];
}

async function idsFor(target: PosixTarget, args: ShiftArgs): Promise<Ids> {
  const given = (of: ShiftArgs["uidMaps"]) => mapsFrom(of as unknown as readonly IdMap[] | undefined);
  const [uids, gids] = [given(args.uidMaps), given(args.gidMaps)];
  return {
    uids: uids.length > 0 ? uids : [await ownMap(target, "/etc/subuid", args.user)],
    gids: gids.length > 0 ? gids : [await ownMap(target, "/etc/subgid", args.user)],
  };
}

/** The files of the container have the numbers that they have outside of it. */
export const shifted = defprop({
  name: "lxc._shifted",
  kind: "posix",
  args: shiftArgs,
  desc: ({ name }) => `user and group numbers of the files of ${name}`,
  apply: async (args, target) => {
    await needsRoot(target, "lxc.userContainerFor");
    const { base, root, ids } = placeOf(args.user, args.name);
    const { uids, gids } = await idsFor(target, args);
    await target.run(shiftScript(root, `${base}/modes`, uids, gids), { touches: { paths: [base] } });
    await target.ensureContent(ids, JSON.stringify({ uids, gids }), { mode: 0o644 });
    return "changed";
  },
});

const PRELUDE = [
  "lxc.include = /usr/share/lxc/config/common.conf",
  "lxc.include = /usr/share/lxc/config/userns.conf",
];
const NETWORK = ["lxc.net.0.type = veth", "lxc.net.0.flags = up", "lxc.net.0.link = lxcbr0"];

export const configArgs = {
  user: account(),
  name: lxcName(),
  ...maps,
  autostart: optional(boolean()),
  preludeLines: optional(list(line())),
  additionalLines: optional(list(line())),
};

/** Applied as the user: LXC reads the configuration of the container. */
export const configured = defprop({
  name: "lxc._configured",
  kind: "posix",
  args: object(configArgs),
  desc: ({ name }) => `configuration of ${name}`,
  apply: async (args, target) => {
    const { name, autostart, preludeLines = PRELUDE, additionalLines = NETWORK } = args;
    const { root, ids } = placeOf(args.user, name);
    const recorded = (await target.readBytes(ids))?.toString("utf8");
    const now = recorded === undefined ? await idsFor(target, args) : (JSON.parse(recorded) as Ids);
    if (args.uidMaps || args.gidMaps) refuseOthers(name, now, await idsFor(target, args));
    const mapLines = (kind: string, each: readonly IdMap[]) =>
      each.map((map) => `lxc.idmap = ${kind} ${map.join(" ")}`);
    const lines = [
      ...preludeLines,
      ...mapLines("u", now.uids),
      ...mapLines("g", now.gids),
      `lxc.rootfs.path = dir:${root}`,
      `lxc.start.auto = ${autostart ? 1 : 0}`,
      `lxc.uts.name = ${name.split(".")[0]}`,
      ...additionalLines,
    ];
    const directory = `.local/share/lxc/${name}`;
    await target.makeDirectory(directory);
    return target.ensureContent(`${directory}/config`, lines.map((each) => `${each}\n`).join(""), {
      mode: 0o640,
    });
  },
  unapply: async ({ name }, target) => {
    const directory = `.local/share/lxc/${name}`;
    const change = await target.remove(`${directory}/config`);
    if (((await target.list(directory)) ?? []).length === 0)
      await target.remove(directory, { recursive: true });
    return change;
  },
});

/** The files were given their numbers once, for the maps of that time. */
function refuseOthers(name: string, files: Ids, wanted: Ids): void {
  if (JSON.stringify(files) === JSON.stringify(wanted)) return;
  const shown = ({ uids, gids }: Ids) => `users ${JSON.stringify(uids)}, groups ${JSON.stringify(gids)}`;
  throw new AbortedChange(
    `the files of the container ${name} were made for ${shown(files)}, not for ${shown(wanted)}; give those maps, or unapply the property and apply it again`,
  );
}
