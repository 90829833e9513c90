/** The mount points listed in /proc/self/mountinfo (proc(5)), which writes blanks and the like in octal. */
export const mountPoints = (mountinfo: string): string[] =>
  mountinfo
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .map((place) =>
      place.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8))),
    );
