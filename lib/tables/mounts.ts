import { object } from "../model/schema";
import { deftable } from "../model/table";
import { mountsIn } from "../target/mounts";

/** The mounted file systems that have a size, as df(1) counts it. */
export const mounts = deftable({
  name: "tables.mounts",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) => {
    const [mountinfo, df] = await Promise.all([
      // Linux.
      target.readFile("/proc/self/mountinfo").catch(() => ""),
      // It fails when one file system cannot be looked at, and prints the others.
      target.query("df -Pk", { mayFail: true }),
    ]);
    const types = new Map(mountsIn(mountinfo).map(({ place, type }) => [place, type]));
    return df.stdout
      .split("\n")
      .slice(1)
      .flatMap((line) => {
        const [, device = "", blocks, used, free, , place = ""] =
          /^(.+?)\s+(\d+)\s+(\d+)\s+(-?\d+)\s+(\S+)\s+(\/.*)$/.exec(line) ?? [];
        if (blocks === undefined || Number(blocks) === 0) return [];
        return [
          {
            place,
            device,
            type: types.get(place) ?? null,
            sizeBytes: Number(blocks) * 1024,
            usedBytes: Number(used) * 1024,
            freeBytes: Number(free) * 1024,
          },
        ];
      });
  },
});
