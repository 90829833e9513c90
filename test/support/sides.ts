/**
 * Applies properties to two identical real machines: to one over a bare shell, to the other with our own process on it.
 * Both must end up the same.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { unapplied } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import type { Connection } from "../../lib/model/connection";
import { type HostModel, shared } from "../../lib/model/host";
import type { PropApp } from "../../lib/model/property";
import { compile } from "../../lib/source/register";
import type { TargetContext } from "../../lib/target/context";
import { ShellTarget } from "../../lib/target/shell/target";
import type { PlannedOutcome } from "../../lib/test-harness/planning";
import { cacheHome, root } from "../../lib/util/package";
import { debianStable } from "../../properties/os";
import { type Applied, applied, type Checked, checked, plannedBefore } from "./_applied";
import { connectionOf, Starter } from "./_starter";
import { bootMachines, type Machine, type MachineOptions } from "./machines";
import { changedPaths, differences, ownCaches, type Snapshot, snapshot } from "./snapshot";

export type { Applied } from "./_applied";

/** A machine, and the kind of target used on it. */
export interface Side {
  readonly kind: "posix" | "agent";
  readonly machine: Machine;
  /** Applies `application` to a bookworm host. Failures are in the result. `planned`: what `plan` has just said of it. */
  apply(application: PropApp, planned?: PlannedOutcome): Promise<Applied>;
  unapply(application: PropApp): Promise<Applied>;
  /** Plans `application` as `apply` would. */
  plan(application: PropApp): Promise<PlannedOutcome>;
  /** Runs the property's `check`. */
  check(application: PropApp): Promise<Checked>;
}

/** Both machines, until `stop`. */
export interface Sides {
  readonly each: readonly [Side, Side];
  /** The same machines, from a mount namespace in which every file system is read-only. */
  readonly readOnly: readonly [Side, Side];
  /** Runs `body` for both sides in parallel; then both file systems must be equal, except for `except`. */
  both(body: (side: Side) => Promise<void>, options?: { readonly except?: readonly string[] }): Promise<void>;
  /** Stops and removes both machines. */
  stop(): Promise<void>;
}

interface SidesOptions extends Pick<MachineOptions, "packages" | "withDependencies" | "nspawn"> {
  /** The account that applies; root by default. */
  readonly user?: string;
}

/** Boots both machines, with the same host name. */
export async function bootSides({ user, nspawn: more = [], ...options }: SidesOptions = {}): Promise<Sides> {
  const nspawn = [...more, `--bind-ro=${root}`, `--bind-ro=${path.dirname(cacheHome)}:${cacheInside}`];
  if (recorded !== undefined) nspawn.push(`--bind=${recorded}:${recordedInside}`);
  const node = process.execPath;
  if (!node.startsWith(`${root}/`)) nspawn.push(`--bind-ro=${node}`);
  const machines = await bootMachines(2, { ...options, name: "web1", nspawn });
  const [first, second] = machines;
  if (!first || !second) throw new Error("expected two machines");
  const processes: (MachineProcess | Shell)[] = [];
  const sidesIn = (view: (machine: Machine) => View): readonly [Side, Side] => {
    const inside = new MachineProcess(view(first), user);
    const shell = shellInto(second.name, view(second), user);
    processes.push(inside, shell);
    const shellTarget = (context: TargetContext) => new ShellTarget(shell.connection, context);
    return [
      side("agent", first, {
        apply: (...given) => inside.ask<Applied>("apply", ...given),
        plan: (application, host) => inside.ask<PlannedOutcome>("plan", application, host),
        check: (application, host) => inside.ask<Checked>("check", application, host),
      }),
      side("posix", second, {
        apply: (application, host, planned) => applied(application, host, shellTarget, planned),
        plan: (application, host) => plannedBefore(application, host, shellTarget),
        check: (application, host) => checked(application, host, shellTarget),
      }),
    ];
  };
  const views = new Map(machines.map((machine) => [machine, new ReadOnlyView(machine)] as const));
  const each = sidesIn((machine) => async () => ({ pid: machine.leader, env: [] }));
  return {
    each,
    readOnly: sidesIn((machine) => () => (views.get(machine) as ReadOnlyView).place()),
    both: async (body, { except = [] } = {}) => {
      // One side does not run on into the next test when the other has failed.
      const ended = await Promise.allSettled(each.map(body));
      for (const side of ended) if (side.status === "rejected") throw side.reason;
      const [one, other] = await Promise.all(each.map(({ machine }) => fileSystemOf(machine, except)));
      assert.deepEqual(one && other && differences(one, other), [], "both sides leave the same files");
    },
    stop: async () => {
      for (const process of [...processes, ...views.values()]) process.end();
      await Promise.all(machines.map((machine) => machine.stop()));
    },
  };
}

/** Without these paths, such as those of a daemon that writes by itself. */
interface Except {
  readonly except?: readonly string[];
}

/**
 * Plans `application`, which must touch nothing; applies it, which must change something; applied again it must change
 * nothing and touch no file.
 */
export async function holdsAfterwards(
  side: Side,
  application: PropApp,
  { except = [] }: Except = {},
): Promise<Applied> {
  const before = await fileSystemOf(side.machine, except);
  const planned = await side.plan(application);
  assert.deepEqual(
    changedPaths(before, await fileSystemOf(side.machine, except)),
    [],
    `${side.kind}: planning touches no file`,
  );
  const first = await succeeds(side.apply(application, planned));
  assert.equal(first.change, "changed", `${side.kind}: the first application changes something`);
  await holds(side, application, { except });
  return first;
}

/** Asserts that `application` holds: applying it changes nothing and touches no file. */
export async function holds(
  side: Side,
  application: PropApp,
  { except = [] }: Except = {},
): Promise<Applied> {
  const before = await fileSystemOf(side.machine, except);
  const again = await succeeds(side.apply(application));
  assert.equal(again.change, "unchanged", `${side.kind}: the second application changes nothing`);
  assert.deepEqual(
    changedPaths(before, await fileSystemOf(side.machine, except)),
    [],
    `${side.kind}: no file is touched`,
  );
  return again;
}

/** Unapplies `application`, which must change something; unapplied again it must change nothing. */
export async function isUndone(side: Side, application: PropApp): Promise<void> {
  assert.equal((await succeeds(side.unapply(application))).change, "changed", `${side.kind}: unapplied`);
  assert.equal((await succeeds(side.unapply(application))).change, "unchanged", `${side.kind}: twice`);
}

/** The result of `applying`; asserts that no step failed. */
export async function succeeds(applying: Promise<Applied>): Promise<Applied> {
  const result = await applying;
  assert.deepEqual(result.failures, [], result.output);
  return result;
}

const fileSystemOf = (machine: Machine, except: readonly string[] = []): Promise<Snapshot> =>
  snapshot(machine, { except: [...ownCaches, ...except] });

const bookworm = debianStable("bookworm", "amd64");
const cacheInside = "/opt/test-cache";
/** Where `npm run accuracy` collects what plans said: a file that everyone may append to. */
const recorded = process.env["CONSFIGURATOR_ACCURACY"];
const recordedInside = "/opt/test-accuracy";
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The implementation of one side. */
interface Work {
  apply(application: PropApp, host: HostModel, planned?: PlannedOutcome): Promise<Applied>;
  plan(application: PropApp, host: HostModel): Promise<PlannedOutcome>;
  check(application: PropApp, host: HostModel): Promise<Checked>;
}

function side(kind: Side["kind"], machine: Machine, work: Work): Side {
  const subject = { name: "web1.example.org" };
  const prepared = (application: PropApp) => {
    const { model } = prepare(subject, bookworm);
    // What is asked once per deployment is no part of what is tested.
    return prepare(subject, application, model.without(shared.declarations));
  };
  const apply = (given: PropApp, planned?: PlannedOutcome) => {
    const { application, model } = prepared(given);
    return work.apply(application, model, planned);
  };
  const check = (given: PropApp) => {
    const { application, model } = prepared(given);
    return work.check(application, model);
  };
  const plan = async (given: PropApp) => {
    const { application, model } = prepared(given);
    return work.plan(application, model);
  };
  return { kind, machine, apply, plan, unapply: (given) => apply(unapplied(given)), check };
}

/** Where commands run in a machine. */
interface Place {
  /** The pid, on this computer, of the process whose namespaces are entered. */
  readonly pid: number;
  readonly env: readonly string[];
}

type View = () => Promise<Place>;

/** Prefix of a command to run it in `place`. */
function enter({ pid, env: own }: Place, env: readonly string[], as: readonly string[] = []): string[] {
  const set = ["env", "-i", `PATH=${searchPath}`, ...own, ...env];
  return ["nsenter", "--all", "--root", "--wd", "--target", String(pid), "--", ...set, ...as];
}

const homeOf = (user: string | undefined): string => (user === undefined ? "/root" : `/home/${user}`);

/**
 * A mount namespace of `machine` in which every file system is read-only, but one for temporary files, which apt-get -s
 * needs, and one for the cache of apt: without it apt-get reads all of its lists each time.
 */
class ReadOnlyView {
  #holder: ChildProcess | undefined;
  #place: Promise<Place> | undefined;

  constructor(readonly machine: Machine) {}

  place(): Promise<Place> {
    this.#place ??= this.#hold();
    return this.#place;
  }

  end(): void {
    this.#holder?.stdin?.end();
  }

  async #hold(): Promise<Place> {
    const [file = "", ...args] = enter({ pid: this.machine.leader, env: [] }, []);
    const script = ["unshare", "--mount", "sh", "-ec", READ_ONLY];
    const holder = spawn(file, [...args, ...script], { stdio: ["pipe", "pipe", "inherit"] });
    this.#holder = holder;
    const [said] = (await once(holder.stdout, "data")) as [Buffer];
    assert.equal(String(said), "read-only\n");
    // nsenter enters a pid namespace with its child.
    const pid = Number(readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, "utf8"));
    return { pid, env: ["TMPDIR=/media"] };
  }
}

const READ_ONLY = `while read -r _ _ _ _ at _; do mount -o remount,bind,ro "$at" 2>/dev/null || :; done </proc/self/mountinfo
for at in /media /var/cache/apt; do mount -t tmpfs none "$at"; done
mkdir -p /var/cache/apt/archives/partial
echo read-only
exec cat`;

function shellInto(name: string, view: View, user: string | undefined): Shell {
  const as = user === undefined ? [] : ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--init-groups"];
  const starters = new Map<number, Starter>();
  const starter = async () => {
    const place = await view();
    const found = starters.get(place.pid) ?? new Starter(enter(place, [`HOME=${homeOf(user)}`]));
    starters.set(place.pid, found);
    return found;
  };
  const end = () => {
    for (const each of starters.values()) each.end();
  };
  return { connection: connectionOf(`a shell in ${name}`, starter, as), end };
}

/** Commands in a machine, until `end`. */
interface Shell {
  readonly connection: Connection;
  end(): void;
}

/** Keeps the compiled properties for the processes in machines, which cannot write to the cache. */
function compileProperties(): void {
  const directory = path.join(root, "properties");
  for (const name of readdirSync(directory)) {
    const file = path.join(directory, name);
    if (name.endsWith(".ts")) compile(readFileSync(file, "utf8"), file);
  }
}

/** Our own process in a machine, started on first use. */
class MachineProcess {
  #process: ChildProcess | undefined;
  readonly #waiting: { resolve(line: string): void; reject(error: Error): void }[] = [];

  constructor(
    readonly view: View,
    readonly user: string | undefined,
  ) {}

  async ask<T>(
    work: keyof Work,
    application: PropApp,
    host: HostModel,
    planned?: PlannedOutcome,
  ): Promise<T> {
    const { stdin } = this.#process ?? this.#started(await this.view());
    const answered = new Promise<string>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    stdin?.write(`${JSON.stringify({ work, application, host, planned })}\n`);
    const answer = JSON.parse(await answered) as T & { error?: { name: string; message: string } };
    if (answer.error) throw Object.assign(new Error(answer.error.message), { name: answer.error.name });
    return answer;
  }

  end(): void {
    this.#process?.stdin?.end();
  }

  #started(place: Place): ChildProcess {
    if (this.#process) return this.#process;
    const env = [`HOME=${homeOf(this.user)}`, `XDG_CACHE_HOME=${cacheInside}`, `RUN_AS=${this.user ?? ""}`];
    if (recorded !== undefined) env.push(`CONSFIGURATOR_ACCURACY=${recordedInside}`);
    const [file = "", ...args] = enter(place, env);
    compileProperties();
    const register = path.join(root, "lib/source/register.js");
    const script = [process.execPath, "--require", register, path.join(__dirname, "_inside.ts")];
    const child = spawn(file, [...args, ...script], { stdio: ["pipe", "pipe", "inherit"] });
    const answers = createInterface({ input: child.stdout });
    answers.on("line", (line) => this.#waiting.shift()?.resolve(line));
    answers.on("close", () => {
      this.#process = undefined;
      for (const { reject } of this.#waiting.splice(0)) {
        reject(new Error("the process in the machine exited"));
      }
    });
    this.#process = child;
    return child;
  }
}
