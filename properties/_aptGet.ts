/** Running apt-get and dpkg, and telling whether they changed anything. */

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

/** Nobody is there to answer. */
export const noninteractive = { DEBIAN_FRONTEND: "noninteractive", APT_LISTCHANGES_FRONTEND: "none" };

/**
 * A configuration file that was changed on the host stays as it is: very likely a property changed it, and without an
 * answer dpkg would give up.
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
 * Runs apt-get with `args`; when that fails, sets up what dpkg left half done, updates the lists, and runs it once
 * more. Changed when dpkg's record of packages is another one than before all of this. `wanted` are the packages among
 * `args`, for the message when apt does not know one: that is an `AbortedChange`.
 */
export async function changePackages(
  target: PosixTarget,
  property: string,
  args: readonly string[],
  wanted: readonly string[] = [],
): Promise<Change> {
  await needsRoot(target, property);
  const before = await recordOfPackages(target);
  if ((await aptGet(target, args)).exit !== 0) {
    await configurePending(target);
    await aptGet(target, updateArgs);
    const second = await aptGet(target, args);
    if (second.exit !== 0) throw await explained(target, withOptions(args), second, wanted);
  }
  return changedSince(before, await recordOfPackages(target));
}

/** Runs apt-get with `args`, its output shown live; waits while another process has apt's or dpkg's lock. */
export const aptGet = (target: PosixTarget, args: readonly string[]): Promise<CommandResult> =>
  unlocked(target, withOptions(args));

const updateArgs = ["update"];

/** Sets up what is unpacked only. */
export const configurePending = (target: PosixTarget): Promise<CommandResult> =>
  unlocked(target, ["dpkg", "--force-confdef", "--force-confold", "--configure", "--pending"]);

/** The lines of what apt-get would do, without doing it: `Inst …`, `Remv …`, `Conf …`. Needs no root. */
export async function simulated(target: PosixTarget, args: readonly string[]): Promise<string[]> {
  const { stdout } = await target.run(["apt-get", "-s", "-o", "Debug::NoLocking=1", ...args], {
    env: noninteractive,
  });
  return stdout.split("\n").filter((line) => /^(Inst|Remv|Conf) /.test(line));
}

/** The failure of a command that was run with `mayFail`. */
export const failed = (words: readonly string[], result: CommandResult): RunFailed =>
  new RunFailed(shellWords(words), result);

/** A fingerprint of dpkg's record; undefined when there is none. */
export async function recordOfPackages(target: PosixTarget): Promise<string | undefined> {
  if (target.kind === "agent") {
    const bytes = await target.readBytes("/var/lib/dpkg/status");
    return bytes && createHash("sha256").update(bytes).digest("hex");
  }
  const { stdout, exit } = await target.run("cksum < /var/lib/dpkg/status", { mayFail: true });
  return exit === 0 ? stdout : undefined;
}

export const changedSince = (before: string | undefined, after: string | undefined): Change =>
  before !== undefined && before === after ? "unchanged" : "changed";

/** apt waits for dpkg's lock by itself, and nobody does for that of the lists or dpkg's own. */
async function unlocked(target: PosixTarget, words: readonly string[]): Promise<CommandResult> {
  const end = Date.now() + 60_000;
  for (;;) {
    const result = await target.run(words, { env: noninteractive, mayFail: true, inform: true });
    if (result.exit === 0 || Date.now() > end || !isLocked(result)) return result;
    await new Promise((awake) => setTimeout(awake, 2_000));
  }
}

const isLocked = ({ stdout, stderr }: CommandResult): boolean =>
  /Could not get lock \/var\/lib\/apt\/lists|locked by another process/.test(stdout + stderr);

/** Why installing failed: names that apt does not know, or what it said. */
async function explained(
  target: PosixTarget,
  words: readonly string[],
  result: CommandResult,
  wanted: readonly string[],
) {
  const unknown = wanted.length > 0 ? await unknownTo(target, wanted) : [];
  if (unknown.length === 0) return failed(words, result);
  const names = unknown.map((name) => `"${name}"`).join(", ");
  return new AbortedChange(
    `apt on ${target.host.name} knows no package ${names}, also after an update; correct the name, or put the source that has it before this property`,
  );
}

async function unknownTo(target: PosixTarget, wanted: readonly string[]): Promise<string[]> {
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

/** Answers for debconf: `<template> <type> <value>`. */
export type DebconfAnswer = readonly [template: string, type: string, value: string];

/** Gives debconf the `answers` for `name`, and has the package set up again with them. */
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
