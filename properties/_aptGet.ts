/** Runs apt-get and dpkg, and detects whether they changed anything. */

import { createHash } from "node:crypto";
import {
  AbortedChange,
  type Change,
  type CommandResult,
  type PosixTarget,
  RunFailed,
  shellWords,
} from "consfigurator";
import { packages } from "./_dpkg";
import { needsRoot } from "./_needs";

/** Keeps apt and dpkg from asking questions. */
export const noninteractive = { DEBIAN_FRONTEND: "noninteractive", APT_LISTCHANGES_FRONTEND: "none" };

/**
 * Keeps configuration files that were changed on the host, most likely by a property: without an answer dpkg would
 * fail.
 */
const keepConfiguration = ["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"];
const withOptions = (args: readonly string[]) => [
  "apt-get",
  "-o",
  "DPkg::Lock::Timeout=60",
  ...keepConfiguration,
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
  const before = await packagesFingerprint(target);
  if ((await aptGet(target, args)).exit !== 0) {
    await configurePending(target);
    await aptGet(target, updateArgs);
    const second = await aptGet(target, args);
    if (second.exit !== 0) throw await installFailure(target, withOptions(args), second, wanted);
  }
  return changedSince(before, await packagesFingerprint(target));
}

/** Runs apt-get with `args` and shows its output live; waits while another process holds a lock of apt or dpkg. */
export const aptGet = (target: PosixTarget, args: readonly string[]): Promise<CommandResult> =>
  runUnlocked(target, withOptions(args));

/** apt-get ends with 0 although no source could be reached, unless it is asked not to. An old apt ignores the option. */
export const updateArgs = ["-o", "APT::Update::Error-Mode=any", "update"];

/** Configures packages that are only unpacked. */
export const configurePending = (target: PosixTarget): Promise<CommandResult> =>
  runUnlocked(target, ["dpkg", "--force-confdef", "--force-confold", "--configure", "--pending"]);

/** The steps of a dry run: lines `Inst …`, `Remv …`, `Conf …`. Needs no root. */
export async function simulate(target: PosixTarget, args: readonly string[]): Promise<string[]> {
  const { stdout } = await target.run(["apt-get", "-s", "-o", "Debug::NoLocking=1", ...args], {
    env: noninteractive,
  });
  return stdout.split("\n").filter((line) => /^(Inst|Remv|Conf) /.test(line));
}

/** The failure of a command that was run with `mayFail`. */
export const failed = (words: readonly string[], result: CommandResult): RunFailed =>
  new RunFailed(shellWords(words), result);

/** A fingerprint of dpkg's status file; undefined when there is none. */
export async function packagesFingerprint(target: PosixTarget): Promise<string | undefined> {
  if (target.kind === "agent") {
    const bytes = await target.readBytes("/var/lib/dpkg/status");
    return bytes && createHash("sha256").update(bytes).digest("hex");
  }
  const { stdout, exit } = await target.run("cksum < /var/lib/dpkg/status", { mayFail: true });
  return exit === 0 ? stdout : undefined;
}

export const changedSince = (before: string | undefined, after: string | undefined): Change =>
  before !== undefined && before === after ? "unchanged" : "changed";

/** Retries for 60 s: apt waits for dpkg's lock itself, but not for the lock of its lists, and dpkg never waits. */
async function runUnlocked(target: PosixTarget, words: readonly string[]): Promise<CommandResult> {
  const end = Date.now() + 60_000;
  for (;;) {
    const result = await target.run(words, { env: noninteractive, mayFail: true, inform: true });
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
    const { stderr, exit } = await target.run(args, {
      mayFail: true,
      env: { ...noninteractive, LC_ALL: "C" },
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
    await target.run(["debconf-set-selections"], { input, env: noninteractive });
  }
  await target.run(["dpkg-reconfigure", "-fnone", name], { env: noninteractive, inform: true });
}
