/** One line of /proc/self/mountinfo (proc(5)). */
export interface Mount {
  readonly place: string;
  /** Major and minor number: equal for two mounts of the same file system. */
  readonly device: string;
  readonly type: string;
}

/** The mounts listed in /proc/self/mountinfo, which writes blanks and the like in octal. */
export const mountsIn = (mountinfo: string): Mount[] =>
  mountinfo
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [, , device = "", , place = "", ...rest] = line.split(" ");
      return { place: unescaped(place), device, type: rest[rest.indexOf("-") + 1] ?? "" };
    });

/** The places at which something is mounted. */
export const mountPoints = (mountinfo: string): string[] => mountsIn(mountinfo).map(({ place }) => place);

const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)));
