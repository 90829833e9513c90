import { object } from "../model/schema";
import { deftable } from "../model/table";

/** What the host is: one row. */
export const facts = deftable({
  name: "tables.facts",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) => {
    const [release, uname, cpus, memory, stat, virtual, synchronised] = await Promise.all([
      target.readLines("/etc/os-release"),
      target.query("uname -srm; uname -n"),
      target.query("getconf _NPROCESSORS_ONLN 2>/dev/null || nproc", { mayFail: true }),
      target.readLines("/proc/meminfo"),
      target.readLines("/proc/stat"),
      target.query("systemd-detect-virt", { mayFail: true }),
      target.stat("/run/systemd/timesync/synchronized"),
    ]);
    const field = (name: string) =>
      release
        .find((line) => line.startsWith(`${name}=`))
        ?.slice(name.length + 1)
        .replaceAll(/^["']|["']$/g, "") ?? null;
    const kilobytes = (name: string) => {
      const [, amount] = /:\s+(\d+) kB$/.exec(memory.find((line) => line.startsWith(`${name}:`)) ?? "") ?? [];
      return amount === undefined ? null : Number(amount) * 1024;
    };
    // FreeBSD has no /proc.
    const { stdout: bsd } =
      stat.length > 0
        ? { stdout: "" }
        : await target.query("sysctl -n hw.physmem kern.boottime", { mayFail: true });
    const [physical = "", boot = ""] = bsd.split("\n");
    const [kernel = "", name = ""] = uname.stdout.split("\n");
    const [system = "", version = "", architecture = ""] = kernel.split(" ");
    const booted = Number(
      stat.find((line) => line.startsWith("btime "))?.slice(6) ?? /sec = (\d+)/.exec(boot)?.[1],
    );
    return [
      {
        name,
        os: field("PRETTY_NAME") ?? system,
        release: field("VERSION_CODENAME"),
        kernel: `${system} ${version}`,
        architecture,
        processors: Number(cpus.stdout) || null,
        memoryBytes: kilobytes("MemTotal") ?? (Number(physical) || null),
        availableBytes: kilobytes("MemAvailable"),
        booted: booted > 0 ? new Date(booted * 1000).toISOString() : null,
        virtualisation: virtual.stdout.trim() || null,
        timeSynchronised: synchronised !== undefined,
      },
    ];
  },
});
