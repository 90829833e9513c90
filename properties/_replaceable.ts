/** Whether the running system of a host can be replaced, and what must be known of it for that. Nothing is changed. */
import { AbortedChange, type PosixTarget } from "consfigurator";
import { parseKey } from "./_authorizedKeys";
import { type Booting, bootloadersOf } from "./_bootloaders";
import { volumesOf } from "./_declaredVolumes";
import { unescaped } from "./_mounts";
import * as os from "./_os";
import { foundSystem } from "./_osFound";
import { EXCHANGE_CALLS, isExchanging, KEPT, OLD } from "./_rootFlip";

/** What is mounted somewhere, as findmnt(8) says. */
export interface Mounted {
  readonly at: string;
  readonly source: string;
  readonly type: string;
  readonly options: string;
  readonly uuid: string;
  readonly partuuid: string;
}

/** What is known of a host whose system is replaced. */
export interface Replaceable {
  /** True: something else boots it, with its own kernel. */
  readonly container: boolean;
  readonly uefi: boolean;
  readonly root: Mounted;
  readonly esp: Mounted | undefined;
  /** The arguments with which the running kernel was booted. */
  readonly kernelArguments: readonly string[];
  readonly sshdPorts: readonly string[];
  readonly booting: readonly Booting[];
  /** Lines that begin with their kind, for the user. */
  readonly system: string;
}

/** Free space on the file system that the new system needs, in MiB; besides, and fewer in a container, without a kernel. */
const SPACE_MIB = 2500;
const CONTAINER_SPACE_MIB = 1000;
/** What the programs that make it need, in MiB of memory and swap space. */
const MEMORY_MIB = 300;
const INODES = 80_000;

const FINDMNT =
  "findmnt --noheadings --pairs --output TARGET,SOURCE,FSTYPE,OPTIONS,UUID,PARTUUID --mountpoint";
const ESPS = ["/boot/efi", "/efi"];

/** Each line of the answer begins with what it is about. */
const QUESTION = `about() { w=$1; shift; "$@" 2>/dev/null | while IFS= read -r l; do printf '%s %s\\n' "$w" "$l"; done; }
about machine uname -m
about container systemd-detect-virt --container
about perl perl -e 'print "yes\\n"'
about apt command -v apt-get
for m in / ${ESPS.join(" ")}; do about mounted ${FINDMNT} "$m"; done
about disk lsblk --noheadings --raw --paths --inverse --output NAME,TYPE "$(findmnt --noheadings --output SOURCE --mountpoint / | tail -n 1)"
about space df -Pk /
about inodes df -Pi /
about memory cat /proc/meminfo
about cmdline cat /proc/cmdline
about sshd sh -c 'PATH=$PATH:/usr/sbin:/sbin sshd -T'
[ ! -d /sys/firmware/efi ] || echo "uefi yes"`;

/** What is to be known of the host. Throws `AbortedChange` with everything that stands against replacing its system. */
export async function lookedOver(target: PosixTarget): Promise<Replaceable> {
  const [{ stdout }, found, complaints] = await Promise.all([
    target.query(QUESTION, { mayFail: true, excerpt: true, cwd: "/" }),
    foundSystem(target),
    fileComplaints(target),
  ]);
  const about = (what: string): string[] =>
    stdout.split("\n").flatMap((line) => (line.startsWith(`${what} `) ? [line.slice(what.length + 1)] : []));
  const mounted = about("mounted").map(parsedMount);
  const [root] = mounted.filter(({ at }) => at === "/").toReversed();
  const container = !["", "none"].includes(about("container")[0] ?? "");
  const machine = about("machine")[0] ?? "";
  const booting = bootloadersOf(volumesOf(target.host));
  const named = booting.flatMap(({ volume }) => volume.deviceFile ?? []);
  const devices = await Promise.all(named.map(async (each) => (await target.realPath(each)) ?? each));
  const esp = mounted.find(({ at }) => ESPS.includes(at));
  const uefi = about("uefi").length > 0;
  if (about("apt").length === 0)
    complaints.push("it has no apt-get; only the system of a Debian, or a derivative, can be replaced");
  if (about("perl").length === 0) complaints.push("it has no perl; install perl-base");
  if (!(machine in EXCHANGE_CALLS))
    complaints.push(`how directories are exchanged is not known for a machine of type "${machine}"`);
  const arch = os.debianArchitectureString(os.of(target.host) as os.OsValue);
  if (found.dpkg !== undefined && found.dpkg !== arch)
    complaints.push(`its programs are for ${found.dpkg}, those of the new system would be for ${arch}`);
  complaints.push(
    ...roomComplaints(about, container),
    ...rootComplaints(root),
    ...(await mountComplaints(target, esp?.at)),
    ...(container ? [] : bootComplaints({ booting, uefi, esp, devices, disks: disksIn(about("disk")) })),
  );
  if (complaints.length > 0 || !root)
    throw new AbortedChange(
      `the operating system of ${target.host.name} cannot be replaced:\n${complaints.join("\n")}`,
    );
  return {
    container,
    uefi,
    root,
    esp,
    kernelArguments: (about("cmdline")[0] ?? "").split(/\s+/).filter((each) => each !== ""),
    sshdPorts: about("sshd").flatMap((line) => /^port (\d+)$/.exec(line)?.[1] ?? []),
    booting: container ? [] : booting,
    system: found.release["PRETTY_NAME"] ?? found.release["ID"] ?? found.kernel,
  };
}

function parsedMount(line: string): Mounted {
  const fields = Object.fromEntries(
    [...line.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = "", value = ""]) => [key, value]),
  );
  const { TARGET = "", SOURCE = "", FSTYPE = "", OPTIONS = "", UUID = "", PARTUUID = "" } = fields;
  return { at: TARGET, source: SOURCE, type: FSTYPE, options: OPTIONS, uuid: UUID, partuuid: PARTUUID };
}

/** What stands against it in files. */
async function fileComplaints(target: PosixTarget): Promise<string[]> {
  const keys = (await target.readLines("/root/.ssh/authorized_keys"))
    .map(parseKey)
    .filter((key) => key !== undefined && !/(^|,)command=/.test(key.options));
  const [old, exchanging] = [await target.list(OLD), await isExchanging(target)];
  const mounts = await Promise.all(
    ["/dev", "/proc", "/run", "/sys"].map((each) => target.isMountPoint(each)),
  );
  return [
    ...(keys.length > 0
      ? []
      : [
          "nobody could log into the new system: /root/.ssh/authorized_keys has no key without a command=; deploy as root with a key",
        ]),
    ...(old === undefined || old.length === 0 || exchanging
      ? []
      : [
          `${OLD} is not empty; put mount.unmountedBelowAndRemoved("${OLD}") before this property if nothing in it is needed`,
        ]),
    ...(mounts.every(Boolean) ? [] : ["/dev, /proc, /run or /sys is not mounted"]),
  ];
}

function roomComplaints(about: (what: string) => string[], container: boolean): string[] {
  const free = (what: string) => Number(about(what).at(-1)?.split(/\s+/)[3]);
  const memory = about("memory")
    .map((line) => /^(MemAvailable|SwapFree):\s+(\d+)/.exec(line)?.[2])
    .reduce((sum, each) => sum + Number(each ?? 0), 0);
  const space = container ? CONTAINER_SPACE_MIB : SPACE_MIB;
  const [freeMib, memoryMib] = [Math.floor(free("space") / 1024), Math.floor(memory / 1024)];
  // Some file systems make inodes as they are needed, and say that there are none.
  const inodes = about("inodes").at(-1)?.split(/\s+/) ?? [];
  return [
    ...(freeMib >= space
      ? []
      : [`/ has ${freeMib} MiB free, the new system needs ${space} MiB beside the old one`]),
    ...(Number(inodes[1]) > 0 && Number(inodes[3]) < INODES
      ? [`/ has ${inodes[3]} inodes free, the new system needs ${INODES}`]
      : []),
    ...(memoryMib >= MEMORY_MIB
      ? []
      : [`${memoryMib} MiB of memory are available; ${MEMORY_MIB} MiB are needed`]),
  ];
}

function rootComplaints(root: Mounted | undefined): string[] {
  if (!root) return ["what is mounted at / is not known to findmnt"];
  const { type, options } = root;
  const has = (option: string) => options.split(",").includes(option);
  if (has("ro")) return ["/ is mounted read-only"];
  if (["ext2", "ext3", "ext4", "xfs"].includes(type)) return [];
  if (type === "overlay" && has("redirect_dir=on")) return [];
  return [`/ is ${type}; ext4 and xfs can be kept while the system on them is replaced`];
}

const LASTING = /^(ext[234]|xfs|btrfs|f2fs|jfs|reiserfs|zfs|vfat|exfat|ntfs3?|nfs4?|cifs|ceph|fuse\.)/;

/** File systems of its own that a directory has are not moved along. */
async function mountComplaints(target: PosixTarget, esp: string | undefined): Promise<string[]> {
  const lines = await target.readLines("/proc/self/mountinfo");
  const others = lines.flatMap((line) => {
    const [, , , , at = "", ...rest] = line.split(" ");
    const type = rest[rest.indexOf("-") + 1] ?? "";
    const path = unescaped(at);
    const isKept = KEPT.some((name) => path === `/${name}` || path.startsWith(`/${name}/`));
    return path !== "/" && path !== esp && !isKept && LASTING.test(type) ? [path] : [];
  });
  const top = new Set([...((await target.list("/")) ?? [])].map((name) => `/${name}`));
  const bound = lines
    .map((line) => unescaped(line.split(" ")[4] ?? ""))
    .filter((path) => top.has(path) && !KEPT.some((name) => path === `/${name}`));
  return [...new Set([...others, ...bound])].map(
    (path) =>
      `${path} is a file system of its own; unmount it before, and mount it again afterwards, with mount.mounted`,
  );
}

const disksIn = (lines: readonly string[]): string[] =>
  lines.flatMap((line) => (line.endsWith(" disk") ? [line.slice(0, -5)] : []));

interface Boot {
  readonly booting: readonly Booting[];
  readonly uefi: boolean;
  readonly esp: Mounted | undefined;
  /** What the boot loaders are installed on, without links such as those in /dev/disk. */
  readonly devices: readonly string[];
  readonly disks: readonly string[];
}

/** What stands against it that the new system boots. */
function bootComplaints({ booting, uefi, esp, devices, disks }: Boot): string[] {
  if (booting.length === 0)
    return ["nothing says what boots it: put disk.hasVolumes with bootsWith before this property"];
  const firmware = uefi ? "uefi" : "bios";
  const fitting = booting.filter(
    ({ definition, options }) => definition.inPlace?.(options).firmware === firmware,
  );
  return [
    ...(fitting.length > 0
      ? []
      : [`it was booted by ${uefi ? "UEFI" : "a BIOS"}, and no boot loader of its disks is for that`]),
    ...(!uefi || esp !== undefined
      ? []
      : ["it was booted by UEFI, and no EFI system partition is mounted at /boot/efi"]),
    ...(disks.length === 0 || devices.some((each) => disks.includes(each))
      ? []
      : [
          `/ is on ${disks.join(", ")}, the boot loader would be installed on ${devices.join(", ") || "no disk"}; correct the deviceFile in disk.hasVolumes`,
        ]),
  ];
}
