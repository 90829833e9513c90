import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { unapplied } from "../combinators";
import { localConnection } from "../connection/local";
import { applyTree } from "../engine/apply";
import { prepare } from "../engine/prepare";
import type { AtEnd } from "../engine/run";
import { definitionOf } from "../model/application";
import type { Failure } from "../model/errors";
import { HostModel } from "../model/host";
import type { Change, PropApp } from "../model/property";
import type { PosixTarget } from "../model/target";
import type { TargetBase } from "../target/base";
import type { TargetContext } from "../target/context";
import { LocalTarget } from "../target/local/target";
import { ShellTarget } from "../target/shell/target";
import { assertCameTrue, type PlannedOutcome, plannedOutcome, StepOutcomes } from "./planning";

/** A scratch directory of this machine, and a target that works in it. */
export interface OnTarget {
  readonly kind: "posix" | "agent";
  /** An empty directory, which is also the home directory of the target. */
  readonly dir: string;
  readonly target: PosixTarget;
  /** Applies through the engine. Throws the first failure of a step, with its name and message. */
  apply(application: PropApp): Promise<Change>;
  unapply(application: PropApp): Promise<Change>;
  /** The answer of the property's `check`; undefined when it has none. */
  check(application: PropApp): Promise<boolean | undefined>;
  /** Everything in `dir`, one line a file: type, mode, owner, content, attributes. */
  snapshot(): Record<string, string>;
  /** Applies once more, and asserts that this is "unchanged" and touched no file. */
  applyAgain(application: PropApp): Promise<void>;
  /** The output of all steps so far. */
  output(): string;
}

/**
 * Tests a property on this machine, without a host: runs `body` twice, with the target of the agent and with that of a bare
 * shell, each with a scratch directory as its home. Fails when the two directories differ afterwards in a name, type, mode,
 * owner, content, ACL or extended attribute.
 *
 * @example test("motd", (t) => onBothTargets(t, async ({ apply, applyAgain }) => { … }))
 */
export async function onBothTargets(t: TestContext, body: (on: OnTarget) => Promise<void>): Promise<void> {
  const left: Record<string, string>[] = [];
  for (const kind of ["agent", "posix"] as const) {
    await t.test(kind, () =>
      inScratch(kind, async (on) => {
        await body(on);
        left.push(on.snapshot());
      }),
    );
  }
  if (left.length === 2) assert.deepEqual(left[1], left[0], "both targets leave the same files behind");
}

/** A target of that kind on this machine, without an engine around it. */
export function targetOf(kind: "posix" | "agent", context: Partial<TargetContext> = {}): PosixTarget {
  const full: TargetContext = {
    host: HostModel.named("scratch.example.org"),
    signal: new AbortController().signal,
    output: () => {},
    atEnd: () => {},
    memory: new Map(),
    ...context,
  };
  return kind === "agent" ? new LocalTarget(full) : new ShellTarget(localConnection(), full);
}

async function inScratch(kind: "posix" | "agent", body: (on: OnTarget) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(path.join(tmpdir(), "targets-"));
  const home = process.env["HOME"];
  process.env["HOME"] = dir;
  try {
    await body(onTarget(kind, dir));
  } finally {
    process.env["HOME"] = home;
    rmSync(dir, { recursive: true, force: true });
  }
}

function onTarget(kind: "posix" | "agent", dir: string): OnTarget {
  let printed = "";
  const memory = new Map<string, unknown>();
  const atEnd: AtEnd = new Map();
  const target = ({ output, changed }: Pick<TargetContext, "output" | "changed">) =>
    targetOf(kind, {
      output,
      ...(changed && { changed }),
      memory,
      atEnd: (key, act) => void atEnd.set(key, act),
    });
  const idle = { output: () => {} };
  const apply = async (application: PropApp): Promise<Change> => {
    const failures: Failure[] = [];
    const prepared = prepare({ name: "scratch.example.org" }, application);
    const planned = await plan(prepared.application);
    const outcomes = new StepOutcomes();
    const { change } = await applyTree(prepared.application, {
      target,
      emit: (event) => {
        outcomes.add(event);
        if (event.kind === "step-output") printed += event.text;
        if (event.kind === "step-ended" && event.failure) failures.push(event.failure);
      },
      stopped: () => undefined,
      atEnd,
    });
    await assertCameTrue(planned, outcomes.steps, target(idle));
    const [failure] = failures;
    if (failure) throw Object.assign(new Error(failure.message), { name: failure.name });
    return change;
  };
  /** Plans before applying, which must touch nothing. */
  const plan = async (application: PropApp): Promise<PlannedOutcome> => {
    const before = identities(dir);
    const context = { host: HostModel.named("scratch.example.org"), signal: NEVER, memory: new Map() };
    const planned = await plannedOutcome(
      application,
      context,
      (whole) => targetOf(kind, whole) as TargetBase,
    );
    assert.deepEqual(identities(dir), before, "planning touches no file");
    return planned;
  };
  const snapshot = () =>
    Object.fromEntries(filesIn(dir).map((name) => [name, description(path.join(dir, name))]));
  return {
    kind,
    dir,
    target: target(idle),
    apply,
    unapply: (application) => apply(unapplied(application)),
    check: async (application) => {
      const prepared = prepare({ name: "scratch.example.org" }, application).application;
      const { check } = definitionOf(prepared.property) as {
        check?: (args: unknown, on: PosixTarget) => Promise<boolean>;
      };
      return check?.(prepared.args, target(idle));
    },
    snapshot,
    applyAgain: async (application) => {
      const before = identities(dir);
      assert.equal(await apply(application), "unchanged", "the second application changes nothing");
      assert.deepEqual(identities(dir), before, "no file was touched");
    },
    output: () => printed,
  };
}

/** All names in `directory`, relative to it, and "." for itself. */
const filesIn = (directory: string): string[] =>
  [".", ...readdirSync(directory, { recursive: true, encoding: "utf8" })].sort();

/** What both targets must leave alike: type, mode, owner, content, ACLs and extended attributes. */
function description(file: string): string {
  const stat = lstatSync(file);
  const content = stat.isSymbolicLink()
    ? `-> ${readlinkSync(file)}`
    : stat.isFile()
      ? createHash("sha256").update(readFileSync(file)).digest("hex").slice(0, 16)
      : "";
  const attributes = stat.isSymbolicLink() ? "" : attributesOf(file);
  return `${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${content}${attributes}`;
}

function attributesOf(file: string): string {
  const { stdout } = spawnSync("getfattr", ["-d", "-m", "-", "-e", "hex", "--absolute-names", file], {
    encoding: "utf8",
  });
  const lines = (stdout ?? "")
    .split("\n")
    .slice(1)
    .filter((line) => line !== "");
  return lines.map((line) => ` ${line}`).join("");
}

/** Changes whenever a file is touched. */
function identity(file: string): string {
  const { ino, mtimeNs, ctimeNs } = lstatSync(file, { bigint: true });
  return `${file} ${ino} ${mtimeNs} ${ctimeNs}`;
}

const identities = (dir: string): string[] => filesIn(dir).map((name) => identity(path.join(dir, name)));

const NEVER = new AbortController().signal;
