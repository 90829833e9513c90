/** Applies properties to a scratch directory on this machine with both targets, which must leave the same files. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { unapplied } from "../../lib/combinators";
import { localConnection } from "../../lib/connection/local";
import { applyTree } from "../../lib/engine/apply";
import { prepare } from "../../lib/engine/prepare";
import type { AtEnd } from "../../lib/engine/run";
import { definitionOf } from "../../lib/model/application";
import type { Failure } from "../../lib/model/errors";
import { HostModel } from "../../lib/model/host";
import type { Change, PropApp } from "../../lib/model/property";
import type { PosixTarget } from "../../lib/model/target";
import type { TargetContext } from "../../lib/target/context";
import { LocalTarget } from "../../lib/target/local/target";
import { ShellTarget } from "../../lib/target/shell/target";

/** One of the two targets, as passed to the test. */
export interface OnTarget {
  readonly kind: "posix" | "agent";
  /** An empty directory, which is also the home directory of the target. */
  readonly dir: string;
  readonly target: PosixTarget;
  /** Applies through the engine; throws the first failure of a step, with its name and message. */
  apply(application: PropApp): Promise<Change>;
  unapply(application: PropApp): Promise<Change>;
  /** The result of the property's `check`; undefined when it has none. */
  check(application: PropApp): Promise<boolean | undefined>;
  /** Everything in `dir`: one line per file, with the attributes that both targets must set alike. */
  snapshot(): Record<string, string>;
  /** Applies again, and asserts that this returns "unchanged" and touches nothing. */
  applyAgain(application: PropApp): Promise<void>;
  /** The output of the steps so far. */
  output(): string;
}

/** Runs `body` with `LocalTarget` and `ShellTarget`, each in its own scratch directory, then compares the directories. */
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
  if (left.length === 2) assert.deepEqual(left[1], left[0], "both targets leave the same files");
}

/** A target on this machine, for tests without the engine. */
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
  const target = (output: TargetContext["output"]) =>
    targetOf(kind, { output, memory, atEnd: (key, act) => void atEnd.set(key, act) });
  const apply = async (application: PropApp): Promise<Change> => {
    const failures: Failure[] = [];
    const { change } = await applyTree(prepare({ name: "scratch.example.org" }, application).application, {
      target,
      emit: (event) => {
        if (event.kind === "step-output") printed += event.text;
        if (event.kind === "step-ended" && event.failure) failures.push(event.failure);
      },
      stopped: () => undefined,
      atEnd,
    });
    const [failure] = failures;
    if (failure) throw Object.assign(new Error(failure.message), { name: failure.name });
    return change;
  };
  const snapshot = () =>
    Object.fromEntries(filesIn(dir).map((name) => [name, description(path.join(dir, name))]));
  return {
    kind,
    dir,
    target: target(() => {}),
    apply,
    unapply: (application) => apply(unapplied(application)),
    check: async (application) => {
      const prepared = prepare({ name: "scratch.example.org" }, application).application;
      const { check } = definitionOf(prepared.property) as {
        check?: (args: unknown, on: PosixTarget) => Promise<boolean>;
      };
      return check?.(
        prepared.args,
        target(() => {}),
      );
    },
    snapshot,
    applyAgain: async (application) => {
      const before = filesIn(dir).map((name) => identity(path.join(dir, name)));
      assert.equal(await apply(application), "unchanged", "the second application changes nothing");
      assert.deepEqual(
        filesIn(dir).map((name) => identity(path.join(dir, name))),
        before,
        "no file was touched",
      );
    },
    output: () => printed,
  };
}

/** All names in `directory`, relative to it, and "." for itself. */
const filesIn = (directory: string): string[] =>
  [".", ...readdirSync(directory, { recursive: true, encoding: "utf8" })].sort();

/** Type, mode, owner, content, ACLs and extended attributes. */
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
