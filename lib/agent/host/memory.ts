import { readFileSync } from "node:fs";

/** Proportional set size in bytes: shared pages are divided among the processes. 0 when /proc has no figure. */
export function memoryOf(pid: number): number {
  const kilobytes = (file: string, line: RegExp) => {
    try {
      return Number(line.exec(readFileSync(`/proc/${pid}/${file}`, "utf8"))?.[1] ?? 0);
    } catch {
      return 0;
    }
  };
  return 1024 * (kilobytes("smaps_rollup", /^Pss:\s+(\d+)/m) || kilobytes("status", /VmRSS:\s+(\d+)/));
}
