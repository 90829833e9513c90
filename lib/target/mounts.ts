/** Where something is mounted, as /proc/self/mountinfo says it (proc(5)), in which blanks and the like are written in octal. */
export const mountPoints = (mountinfo: string): string[] =>
  mountinfo
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .map((place) =>
      place.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8))),
    );
