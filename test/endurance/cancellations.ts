/** Cancels deployments at random moments, over every hop and in every kind of step: `npm run cancellations`. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { session } from "../../lib/controller/session";
import type { Hop } from "../../lib/model/hop";
import { openConsfig } from "../../lib/source/consfig";
import * as via from "../../lib/via";
import { probe } from "../lib/agent/_rig";
import { bootContexts, type Contexts, type Start, starts } from "../lib/connection/_contexts";
import { random } from "../support/random";
import { cancelOnce, choose, type Trial, type Way } from "./_cancelling";
import type { Program, ProgramOptions } from "./_runner";
import { endless } from "./_steps";

export const program: Program = {
  count: 200,
  run: async (options) => {
    const contexts = await bootContexts();
    const close = openProbes();
    try {
      return await cancellations(waysOf(contexts), options);
    } finally {
      await session.close();
      await contexts.stop();
      close();
    }
  },
};

/** Cancels `count` deployments, one after another, over all of `ways` in turn; returns what was not as it should be. */
export async function cancellations(
  ways: readonly Way[],
  { count, seed, print }: ProgramOptions,
): Promise<readonly string[]> {
  const on = random(seed);
  const trials: Trial[] = [];
  for (let n = 0; n < count; n += 1) {
    const mark = `7${String(seed % 10_000).padStart(4, "0")}${String(n).padStart(4, "0")}`;
    const trial = await cancelOnce(choose(ways, n, on), mark, on);
    trials.push(trial);
    print(line(n, trial));
  }
  print(summary(trials));
  return trials.flatMap(({ way, kind, problems }) =>
    problems[0] ? [`${way}: ${kind}: ${problems[0]}`] : [],
  );
}

/** A consfig with the properties of these tests, opened in this session until the returned function is called. */
function openProbes(): () => void {
  const directory = mkdtempSync(path.join(tmpdir(), "cancellations-"));
  const properties = path.join(directory, "consfig/properties");
  mkdirSync(properties, { recursive: true });
  writeFileSync(path.join(properties, "probe.ts"), probe);
  writeFileSync(path.join(properties, "endless.ts"), endless);
  process.env["XDG_STATE_HOME"] = path.join(directory, "state");
  session.consfig = openConsfig(path.join(directory, "consfig"));
  const { error } = session.consfig.refresh();
  if (error) throw error;
  return () => {
    session.consfig?.close();
    session.consfig = undefined;
    rmSync(directory, { recursive: true, force: true });
  };
}

/** Every hop at the end of the shortest chain, over a shell and with an agent before it, or on its other side. */
function waysOf(contexts: Contexts): Way[] {
  const { machine, config } = contexts;
  const ssh = (user: string, transport?: "openssh") =>
    via.ssh({
      user,
      hop: machine.address,
      config,
      identity: machine.identity,
      ...(transport && { transport }),
    });
  const agentOf = [
    { name: "via.ssh, via.agent", hops: [ssh("root"), via.agent()], agent: true, other: "admin" },
    { name: "via.ssh with openssh", hops: [ssh("root", "openssh")], agent: false, other: "admin" },
    {
      name: "via.ssh with openssh, via.agent",
      hops: [ssh("root", "openssh"), via.agent()],
      agent: true,
      other: "admin",
    },
    {
      name: "via.ssh, via.sudo, via.agent",
      hops: [ssh("admin"), via.sudo(), via.agent()],
      agent: true,
      other: "admin",
    },
    {
      name: "via.sandbox, via.agent",
      hops: [via.sandbox({ name: `cancel-${process.pid}` }), via.agent()],
      agent: true,
    },
  ];
  const overShell = starts.map((start) => ({
    name: `${start.name}, over a shell`,
    hops: [...entrance(start, ssh), ...start.hops(contexts)],
    agent: false,
    ...otherAt(start),
  }));
  const behindAgent = starts
    .filter(({ from, name }) => from !== "here" && name !== "via.ssh")
    .map((start) => ({
      name: `${start.name}, behind an agent`,
      hops: [...entrance(start, ssh), via.agent(), ...start.hops(contexts)],
      agent: ["via.as", "via.chroot"].includes(start.name),
      ...otherAt(start),
    }));
  return [...agentOf, ...overShell, ...behindAgent];
}

const entrance = ({ from }: Start, ssh: (user: string) => Hop): Hop[] => (from === "here" ? [] : [ssh(from)]);

/** Somebody else at the end of that chain. */
const otherAt = ({ to: { user, system } }: Start): { readonly other?: string } =>
  user !== "root" || system === "clone" || system === "busybox"
    ? {}
    : { other: system === "machine" || system === "netns" ? "admin" : "guest" };

const line = (n: number, { way, kind, moment, status, ms, next, problems }: Trial): string =>
  [
    `${String(n + 1).padStart(4)}  ${status} in ${ms} ms, next ${next} ms  ${way}: ${kind}, ${moment}`,
    ...problems.map((problem) => `      ${problem}`),
  ].join("\n");

function summary(trials: readonly Trial[]): string {
  const times = trials.map(({ ms }) => ms).sort((a, b) => a - b);
  const at = (part: number) => times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0;
  const cancelled = trials.filter(({ status }) => status === "cancelled").length;
  const wrong = trials.filter(({ problems }) => problems.length > 0).length;
  return (
    `${trials.length} cancellations: ${cancelled} reported as cancelled, ${trials.length - cancelled} had ended before, ` +
    `${wrong} with problems; median ${at(0.5)} ms, 95 % ${at(0.95)} ms, most ${at(1)} ms`
  );
}
