/** A million random frames from hosts that lie: `npm run fuzz`. */
import { lyingHost, ROUND_MS } from "../lib/agent/_fuzzing";
import { random } from "../support/random";
import type { Program } from "./_runner";

const SHOWN_EVERY = 100_000;

export const program: Program = {
  count: 1_000_000,
  machines: false,
  run: async ({ count, seed, print }) => {
    const problems: string[] = [];
    const reasons = new Set<string>();
    let [frames, hosts, slowest, shown] = [0, 0, 0, 0];
    for (; frames < count && problems.length === 0; hosts += 1) {
      const before = process.cpuUsage();
      try {
        const sent = lyingHost(random(seed + hosts));
        frames += sent.frames;
        reasons.add(sent.reason.replace(/[^a-z ].*/s, ""));
      } catch (error) {
        problems.push(`--seed ${seed + hosts} --count 1: ${(error as Error).message}`);
      }
      const ms = process.cpuUsage(before).user / 1000;
      slowest = Math.max(slowest, ms);
      if (ms > ROUND_MS)
        problems.push(`--seed ${seed + hosts} --count 1: took ${Math.round(ms)} ms of CPU time`);
      if (frames - shown < SHOWN_EVERY) continue;
      shown = frames;
      print(`${frames} frames of ${hosts + 1} hosts`);
    }
    print(
      `${frames} frames of ${hosts} hosts, given up for ${reasons.size} kinds of reasons; the longest took ${Math.round(slowest)} ms of CPU time`,
    );
    return problems;
  },
};
