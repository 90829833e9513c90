import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";

/** Removes a directory, but nothing that is mounted in it or on it. */
export function removeDirectory(directory: string): void {
  for (const mounted of mountsIn(directory).reverse()) {
    // A process that was killed may still be ending.
    const { status, stderr } = spawnSync("umount", ["--lazy", mounted], { encoding: "utf8" });
    if (status !== 0) {
      process.stderr.write(`${directory} is not removed: ${stderr ?? "umount cannot be started"}`);
      return;
    }
  }
  rmSync(directory, { recursive: true, force: true });
}

function mountsIn(directory: string): string[] {
  try {
    const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
    const points = lines.map((line) => (line.split(" ")[4] ?? "").replace(/\\040/g, " "));
    return points.filter((point) => point === directory || point.startsWith(`${directory}/`));
  } catch {
    return [];
  }
}
