import type { Cell } from "../model/rows";
import { object } from "../model/schema";
import { deftable } from "../model/table";
import type { PosixTarget } from "../model/target";
import { jsonOf } from "./_json";

/** A container. */
interface Container {
  readonly [column: string]: Cell;
  /** Null: what is known of the engine only. */
  readonly name: string | null;
  /** "docker", "podman" or "systemd-nspawn". */
  readonly engine: string;
  readonly image: string | null;
  /** As the engine calls it, such as "running", "exited" or "created"; null where it does not say. */
  readonly state: string | null;
  /** When it was started, or has ended; null for one that never ran. */
  readonly since: string | null;
  /** Those that are published, such as "0.0.0.0:8080->80/tcp". */
  readonly ports: readonly string[];
  /** Why the engine has not answered. */
  readonly problem: string | null;
}

/**
 * The containers of Docker, Podman and systemd-nspawn, running or not, as the connected user may see them: a container of
 * Podman belongs to a user. An engine that is installed and does not answer, or could only be asked by starting it, has one
 * row with a `problem` and no name. Podman writes to its own lock files when it is asked.
 */
export const containers = deftable({
  name: "tables.containers",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target): Promise<Container[]> =>
    (
      await Promise.all([
        engine("docker", DOCKER_STANDS_BY, target),
        engine("podman", PODMAN_STANDS_BY, target),
        nspawn(target),
      ])
    ).flat(),
});

/** In seconds, for each of the two commands to an engine. */
const PATIENCE_S = 10;

/** Docker is not asked where systemd would start it for that. What calls itself docker may be Podman, or a script that calls it. */
const DOCKER_STANDS_BY = `program=$(readlink -f "$(command -v docker)")
case $program in */podman) exit 0; esac
head -c 1000 "$program" | grep -q podman && exit 0
if systemctl is-active -q docker.socket 2>/dev/null && ! systemctl is-active -q docker.service; then
  echo "docker.service does not run" >&2; exit 1
fi`;

/** Podman is not asked where it has no containers; before its first command since the boot, it would write down their states. */
const PODMAN_STANDS_BY = `if [ "$(id -u)" = 0 ]; then
  storage=/var/lib/containers run=/run
else
  : "\${XDG_RUNTIME_DIR:=/run/user/$(id -u)}"; export XDG_RUNTIME_DIR
  storage=$HOME/.local/share/containers run=$XDG_RUNTIME_DIR
fi
grep -qs '"id"' "$storage"/storage/*-containers/containers.json || exit 0
if ! [ -e "$run/libpod/alive" ] && ! [ -e "$run/libpod/tmp/alive" ]; then
  echo "podman was not used since the boot" >&2; exit 1
fi`;

const INSPECTED = ["Name", "Config.Image", "State.Status", "State.StartedAt", "State.FinishedAt"]
  .concat("NetworkSettings.Ports", "HostConfig.PortBindings")
  .map((field) => `{{json .${field}}}`)
  .join(",");

async function engine(name: string, standsBy: string, target: PosixTarget): Promise<Container[]> {
  const { stdout, stderr, exit } = await target.query(
    `command -v ${name} >/dev/null 2>&1 || exit 0
${standsBy}
patiently() { if command -v timeout >/dev/null; then timeout ${PATIENCE_S} "$@"; else "$@"; fi; }
ids=$(patiently ${name} ps --all --quiet --no-trunc) || exit
[ -n "$ids" ] || exit 0
patiently ${name} inspect --type container --format '[${INSPECTED}]' $ids`,
    { mayFail: true },
  );
  const found = stdout.split("\n").flatMap((line) => containerOf(line, name));
  // It fails, too, when one was removed in between.
  if (exit === 0 || (found.length > 0 && exit !== TIMED_OUT)) return found;
  const said = stderr.trim().split("\n").at(-1) || `${name} ps has failed`;
  return [...found, rowOf(name, { problem: exit === TIMED_OUT ? `no answer in ${PATIENCE_S} s` : said })];
}

/** The exit code of timeout(1). */
const TIMED_OUT = 124;

const rowOf = (engineName: string, known: Partial<Container>): Container => ({
  name: null,
  engine: engineName,
  image: null,
  state: null,
  since: null,
  ports: [],
  problem: null,
  ...known,
});

type Ports = Readonly<
  Record<string, readonly { readonly HostIp?: string; readonly HostPort?: string }[] | null>
>;

function containerOf(line: string, name: string): Container[] {
  if (!line.startsWith("[")) return [];
  const [title, image, state, started, finished, open, wanted] = jsonOf(line, name) as [
    string,
    string,
    string,
    string,
    string,
    Ports | null,
    Ports | null,
  ];
  const ports = Object.keys(open ?? {}).length > 0 ? open : wanted;
  return [
    rowOf(name, {
      name: title.replace(/^\//, ""),
      image: image || null,
      state,
      since: momentOf(/^(running|paused|restarting)$/.test(state) ? started : finished),
      ports: Object.entries(ports ?? {}).flatMap(([inside, outside]) =>
        (outside ?? []).map(({ HostIp = "", HostPort = "" }) => `${addressOf(HostIp)}${HostPort}->${inside}`),
      ),
    }),
  ];
}

const addressOf = (ip: string): string => (ip === "" ? "" : ip.includes(":") ? `[${ip}]:` : `${ip}:`);

/** A time as Go prints it, as ISO 8601; null for its zero, which is in the year 1. */
function momentOf(text: string): string | null {
  const at = Date.parse(text);
  return at > 0 ? new Date(at).toISOString() : null;
}

/** The machines that are registered, and the images of others. */
async function nspawn(target: PosixTarget): Promise<Container[]> {
  const [{ stdout }, images] = await Promise.all([
    // Asked by its name on the bus, machined would be started; without it, none is registered.
    target.query(
      `command -v machinectl >/dev/null 2>&1 && systemctl is-active -q systemd-machined || exit 0
names=$(machinectl list --no-legend --no-pager | cut -d ' ' -f 1)
[ -z "$names" ] || machinectl show $names`,
      { mayFail: true, env: { TZ: "UTC" } },
    ),
    target.list(IMAGES).catch(() => undefined),
  ]);
  const running = stdout.split("\n\n").flatMap((block) => {
    const fields = new Map(block.split("\n").map((line) => line.split(/=(.*)/s) as [string, string]));
    const name = fields.get("Name");
    if (name === undefined || fields.get("Class") !== "container") return [];
    const [, since = ""] = /(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC/.exec(fields.get("Timestamp") ?? "") ?? [];
    return [
      rowOf(fields.get("Service") || NSPAWN, {
        name,
        image: fields.get("RootDirectory") || null,
        state: fields.get("State") ?? null,
        since: momentOf(`${since.replace(" ", "T")}Z`),
      }),
    ];
  });
  const names = new Set(running.map(({ name }) => name));
  const stopped = (images ?? [])
    .filter((file) => !file.startsWith("."))
    .map((file) =>
      rowOf(NSPAWN, { name: file.replace(/\.raw$/, ""), image: `${IMAGES}/${file}`, state: "stopped" }),
    )
    .filter(({ name }) => !names.has(name));
  return [...running, ...stopped];
}

const NSPAWN = "systemd-nspawn";
const IMAGES = "/var/lib/machines";
