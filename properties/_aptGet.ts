/** Runs apt-get and dpkg, and detects whether they changed anything. */

import { createHash } from "node:crypto";
import {
  AbortedChange,
  type Change,
  type CommandResult,
  type HostParts,
  type PlanModel,
  type PosixTarget,
  RunFailed,
  type RunOptions,
  shellWords,
} from "consfigurator";
import { aboutPackages, type Packages, packages, parseWanted, predictPackages } from "./_dpkg";
import { needsRoot } from "./_needs";

/** Keeps apt and dpkg from asking questions. */
export const noninteractive = { DEBIAN_FRONTEND: "noninteractive", APT_LISTCHANGES_FRONTEND: "none" };

/**
 * Keeps configuration files that were changed on the host, most likely by a property: without an answer dpkg would
 * fail.
 */
const keepConfiguration = ["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"];
/** Without a terminal between apt and dpkg, dpkg does not tell every twentieth of its database that it has read. */
const plainOutput = ["-o", "Dpkg::Use-Pty=0"];
/**
 * Waits while another process holds a lock of apt or dpkg, and repeats a failed download without a pause: apt 2.6 of Debian
 * 12 never ends the pause after a mirror was too busy (503) if it has nothing else left to fetch.
 */
export const patiently = ["-o", "DPkg::Lock::Timeout=60", "-o", "Acquire::Retries::Delay=false"];
const withOptions = (args: readonly string[]) => [
  "apt-get",
  ...patiently,
  ...keepConfiguration,
  ...plainOutput,
  ...args,
];

/**
 * Runs apt-get with `args`. When that fails, it configures half-installed packages, updates the lists and tries once
 * more. Changed when dpkg's status file differs from before. `wanted` are the packages among `args`: one that apt does
 * not know is an `AbortedChange`.
 */
export async function changePackages(
  target: PosixTarget,
  property: string,
  args: readonly string[],
  wanted: readonly string[] = [],
): Promise<Change> {
  await needsRoot(target, property);
  const [before, known] = [await packagesFingerprint(target), await packages(target)];
  const predict = (model: PlanModel) => predictAptGet(model, args, wanted);
  if ((await aptGet(target, args, { predict })).exit !== 0) {
    await configurePending(target, {
      unpredictable: "apt has no such package yet, and would update its lists first",
    });
    await aptGet(target, updateArgs);
    const second = await aptGet(target, args);
    if (second.exit !== 0) throw await installFailure(target, withOptions(args), second, wanted);
  }
  const after = await packagesFingerprint(target);
  if (before !== after)
    for (const change of (await packages(target)).changesSince(known)) target.report(change);
  return changedSince(before, after);
}

type PlanOptions = Pick<RunOptions, "predict" | "touches" | "unpredictable">;

/** Runs apt-get with `args` and shows its output live; waits while another process holds a lock of apt or dpkg. */
export const aptGet = (
  target: PosixTarget,
  args: readonly string[],
  plan: PlanOptions = {},
): Promise<CommandResult> => runUnlocked(target, withOptions(args), plan);

/** The arguments of apt-get that a plan has simulated so far, for the next simulation. */
const plannedKey = "apt/planned";

/** Does to `model` what apt-get does to a host, as far as its own simulation tells. */
async function predictAptGet(
  model: PlanModel,
  args: readonly string[],
  wanted: readonly string[],
): Promise<Partial<CommandResult>> {
  const before = await packages(model);
  // A second installation finds what the first will have installed.
  const planned = (model.memory.get(plannedKey) as readonly string[] | undefined) ?? [];
  const isInstallation = args.includes("install");
  const { exit, stdout, stderr } = await simulation(model, isInstallation ? [...args, ...planned] : args);
  if (exit !== 0) return { exit, stdout, stderr };
  const installed = isInstallation ? [...planned, ...wanted] : planned.filter((name) => !args.includes(name));
  model.memory.set(plannedKey, installed);
  const simulated = simulatedLines(stdout).filter((line) => isNew(line, before));
  const lines = [
    ...simulated,
    ...removalsOfPlanned(args, simulated, before),
    ...(isInstallation ? installationsOfRemoved(wanted, simulated, before) : []),
  ];
  const after = before.after(lines, wanted);
  const atRisk = await filesAtRisk(model, lines);
  await predictPackages(
    model,
    after,
    `planned ${lines.join("\n").length} ${args.join(" ")}`.replaceAll("\n", " "),
  );
  // The records of the packages are known, even those that are created.
  model.mayChange({ additions: true, ...atRisk });
  model.answer(fingerprintCommand, { stdout: args.join(" ") }, { packages: true });
  return { exit: 0 };
}

/** The removals of packages that only earlier steps of the plan will have installed. */
function removalsOfPlanned(
  args: readonly string[],
  simulated: readonly string[],
  before: Packages,
): string[] {
  if (!args.includes("remove")) return [];
  const names = args.slice(args.indexOf("remove") + 1);
  const known = new Set(simulated.map((line) => line.split(" ")[1]));
  return names.filter((name) => before.isPresent(name) && !known.has(name)).map((name) => `Remv ${name}`);
}

/** The installations of packages that only earlier steps of the plan will have removed: the host still has them. */
function installationsOfRemoved(
  wanted: readonly string[],
  simulated: readonly string[],
  before: Packages,
): string[] {
  const after = before.after(simulated);
  return wanted.flatMap((each) => {
    const found = before.get(parseWanted(each).name);
    if (!found || after.isInstalled(each)) return [];
    return [`Inst ${found.name} (${found.version} Debian [${found.arch}])`];
  });
}

/** Whether a line of a simulation is not what an earlier simulation has done to `packages` already. */
function isNew(line: string, packages: Packages): boolean {
  const [, verb, name = "", version] = /^(Inst|Remv) (\S+)(?:.*\((\S+))?/.exec(line) ?? [];
  const found = packages.get(name);
  if (verb === "Inst") return !(found?.status === "installed" && found.version === version);
  return verb === "Remv" && packages.isPresent(name);
}

/** The files of packages that are replaced or removed; when there are any, services restart too. */
async function filesAtRisk(model: PlanModel, lines: readonly string[]): Promise<HostParts> {
  const names = lines.flatMap((line) => /^(?:Inst|Remv) (\S+) \[/.exec(line)?.[1] ?? []);
  if (names.length === 0) return {};
  const { stdout } = await model.query(["dpkg-query", "-L", ...names], { mayFail: true, about: {} });
  const paths = new Set(stdout.split("\n").filter((line) => line.startsWith("/") && line !== "/."));
  const directories = new Set([...paths].map((each) => each.slice(0, each.lastIndexOf("/"))));
  return { paths: [...paths].filter((each) => !directories.has(each)), units: true };
}

/** apt-get ends with 0 although no source could be reached, unless it is asked not to. An old apt ignores the option. */
export const updateArgs = ["-o", "APT::Update::Error-Mode=any", "update"];

/** Configures packages that are only unpacked. */
export const configurePending = (target: PosixTarget, plan: PlanOptions = {}): Promise<CommandResult> =>
  runUnlocked(target, ["dpkg", "--force-confdef", "--force-confold", "--configure", "--pending"], plan);

/** The steps of a dry run: lines `Inst …`, `Remv …`, `Conf …`. Needs no root. */
export async function simulate(target: PosixTarget, args: readonly string[]): Promise<string[]> {
  const result = await simulation(target, args);
  if (result.exit !== 0) throw failed(["apt-get", "-s", ...args], result);
  return simulatedLines(result.stdout);
}

const simulation = (target: PosixTarget, args: readonly string[]): Promise<CommandResult> =>
  target.query(["apt-get", "-s", "-o", "Debug::NoLocking=1", ...args], {
    env: noninteractive,
    mayFail: true,
    about: { paths: ["/etc/apt", "/var/lib/apt/lists"] },
  });

const simulatedLines = (printed: string): string[] =>
  printed.split("\n").filter((line) => /^(Inst|Remv|Conf) /.test(line));

/** The failure of a command that was run with `mayFail`. */
export const failed = (words: readonly string[], result: CommandResult): RunFailed =>
  new RunFailed(shellWords(words), result);

/** A fingerprint of dpkg's status file; undefined when there is none. */
export async function packagesFingerprint(target: PosixTarget): Promise<string | undefined> {
  if (target.kind === "agent") {
    const bytes = await target.readBytes("/var/lib/dpkg/status");
    return bytes && createHash("sha256").update(bytes).digest("hex");
  }
  const { stdout, exit } = await target.query(fingerprintCommand, { mayFail: true, about: aboutPackages });
  return exit === 0 ? stdout : undefined;
}

const fingerprintCommand = "cksum < /var/lib/dpkg/status";

export const changedSince = (before: string | undefined, after: string | undefined): Change =>
  before !== undefined && before === after ? "unchanged" : "changed";

/** Retries for 60 s: apt waits for dpkg's lock itself, but not for the lock of its lists, and dpkg never waits. */
async function runUnlocked(
  target: PosixTarget,
  words: readonly string[],
  plan: PlanOptions = {},
): Promise<CommandResult> {
  const end = Date.now() + 60_000;
  for (;;) {
    const result = await target.run(words, { env: noninteractive, mayFail: true, inform: true, ...plan });
    if (result.exit === 0 || Date.now() > end || !isLocked(result)) return result;
    await new Promise((resolve) => setTimeout(resolve, 2_000));
  }
}

const isLocked = ({ stdout, stderr }: CommandResult): boolean =>
  /Could not get lock \/var\/lib\/apt\/lists|locked by another process/.test(stdout + stderr);

/** The reason why an installation failed: packages that apt does not know, else the error of apt. */
async function installFailure(
  target: PosixTarget,
  words: readonly string[],
  result: CommandResult,
  wanted: readonly string[],
) {
  const unknown = wanted.length > 0 ? await unknownPackages(target, wanted) : [];
  if (unknown.length === 0) return failed(words, result);
  const names = unknown.map((name) => `"${name}"`).join(", ");
  return new AbortedChange(
    `apt on ${target.host.name} finds no package ${names}, even after an update; correct the name, or put the source that provides it before this property`,
  );
}

async function unknownPackages(target: PosixTarget, wanted: readonly string[]): Promise<string[]> {
  const known = await packages(target);
  const unknown: string[] = [];
  for (const name of wanted) {
    if (known.isInstalled(name)) continue;
    const args = ["apt-get", "-s", "-o", "Debug::NoLocking=1", "install", name];
    const { stderr, exit } = await target.query(args, {
      mayFail: true,
      env: { ...noninteractive, LC_ALL: "C" },
      about: { paths: ["/etc/apt", "/var/lib/apt/lists"] },
    });
    if (exit !== 0 && /Unable to locate package|has no installation candidate|was not found/.test(stderr))
      unknown.push(name);
  }
  return unknown;
}

/** An answer for debconf: `<template> <type> <value>`. */
export type DebconfAnswer = readonly [template: string, type: string, value: string];

/** Gives debconf the `answers` for `name`, and reconfigures the package with them. */
export async function reconfigure(
  target: PosixTarget,
  name: string,
  answers: readonly DebconfAnswer[],
): Promise<void> {
  if (answers.length > 0) {
    const input = answers.map((answer) => `${name} ${answer.join(" ")}\n`).join("");
    const predict = () => undefined;
    await target.run(["debconf-set-selections"], { input, env: noninteractive, predict });
  }
  await target.run(["dpkg-reconfigure", "-fnone", name], { env: noninteractive, inform: true });
}
