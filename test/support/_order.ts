/** Which test files a run has, and in which order they start. */
import { globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { cacheHome } from "../../lib/util/package";
import type { FileResult } from "./_collected";

const root = path.resolve(__dirname, "../..");

/** Seconds that files took in earlier runs on this computer. */
const recorded = path.join(`${cacheHome}-test`, "seconds.json");

/** Files without machines that take this long are left out of `--quick`. */
const QUICK_SECONDS = 3;

/**
 * Seconds of the files that take long, for a computer that has no record of its own, and for what `--quick` leaves out:
 * the same everywhere.
 */
const long: Readonly<Record<string, number>> = {
  "test/properties/sbuild.test.ts": 360,
  "test/lib/connection/conformance.test.ts": 190,
  "test/properties/_cleanInstall.test.ts": 200,
  "test/lib/data/canaries.test.ts": 170,
  "test/properties/apache.test.ts": 155,
  "test/properties/chroot.test.ts": 150,
  "test/properties/apt.test.ts": 120,
  "test/properties/firewalld.test.ts": 110,
  "test/properties/ufw.test.ts": 105,
  "test/properties/_daemon.test.ts": 105,
  "test/hosts/states.test.ts": 100,
  "test/lib/engine/ahead.test.ts": 100,
  "test/properties/questions.test.ts": 90,
  "test/properties/postgres.test.ts": 90,
  "test/hosts/plans.test.ts": 90,
  "test/docs/played.test.ts": 85,
  "test/properties/aptUnattended.test.ts": 85,
  "test/lib/connection/hop-plans.test.ts": 85,
  "test/properties/letsEncrypt.test.ts": 85,
  "test/properties/postfix.test.ts": 80,
  "test/properties/daemon.test.ts": 70,
  "test/lib/agent/host/supervisor.test.ts": 55,
  "test/lib/engine/host-lock.test.ts": 50,
  "test/properties/nftables.test.ts": 60,
  "test/lib/target/racing-user.test.ts": 20,
  "test/start.test.ts": 60,
  "test/lib/agent/faults.test.ts": 50,
  "test/lib/agent/client/child.test.ts": 45,
  "test/properties/file.test.ts": 50,
  "test/properties/planned.test.ts": 45,
  "test/properties/systemd.test.ts": 45,
  "test/properties/_unitState.test.ts": 45,
  "test/lib/controller/soak.test.ts": 20,
  "test/properties/unapplying.test.ts": 40,
  "test/properties/git.test.ts": 40,
  "test/lib/target/planning/as-the-host.test.ts": 40,
  "test/repl/_install.test.ts": 30,
  "test/lib/target/command-output.test.ts": 30,
  "test/repl/prompt.test.ts": 30,
  "test/lib/connection/_running-commands.test.ts": 25,
  "test/lib/tables/containers.test.ts": 30,
  "test/repl/look/look.test.ts": 27,
  "test/lib/explore/since.test.ts": 24,
  "test/lib/agent/fuzz.test.ts": 22,
  "test/lib/tables/reboots.test.ts": 20,
  "test/docs/_reference.test.ts": 20,
  "test/repl/check.test.ts": 20,
  "test/repl/choices.test.ts": 20,
  "test/lib/connection/ssh/_commandStart.test.ts": 20,
  "test/lib/connection/ssh.test.ts": 18,
  "test/lib/combinators/crash.test.ts": 6,
  "test/lib/connection/ssh/auth.test.ts": 16,
  "test/lib/connection/ssh/network.test.ts": 15,
  "test/repl/diagnostics.test.ts": 15,
  "test/repl/playbook.test.ts": 15,
  "test/docs.test.ts": 14,
  "test/lib/combinators/time.test.ts": 13,
  "test/repl/plan.test.ts": 12,
  "test/lib/source/memory.test.ts": 12,
  "test/support/_test-file.test.ts": 12,
  "test/support/_runner.test.ts": 10,
  "test/lib/connection/ssh/hostkeys.test.ts": 9,
  "test/lib/explore/eval.test.ts": 10,
  "test/lib/source/init.test.ts": 9,
  "test/lib/agent/host/tenure.test.ts": 9,
  "test/lib/engine/unsettled.test.ts": 9,
  "test/lib/source/register.test.ts": 8,
  "test/lib/service.test.ts": 8,
  "test/lib/source/check.test.ts": 7,
  "test/lib/target/base.test.ts": 6,
  "test/lib/connection/host-lock.test.ts": 6,
  "test/lib/target/shell/target.test.ts": 5,
  "test/lib/controller/journals.test.ts": 4,
  "test/docs/properties.test.ts": 4,
  "test/lib/connection/sandbox.test.ts": 4,
  "test/lib/engine/origins.test.ts": 4,
  "test/lib/target/shell/answers.test.ts": 4,
  "test/lib/controller/bound-again.test.ts": 4,
  "test/lib/source/_manifest.test.ts": 4,
  "test/properties/fileAcl.test.ts": 4,
  "test/properties/fileTree.test.ts": 4,
  "test/properties/cmd.test.ts": 4,
};

export interface Work {
  readonly file: string;
  readonly bootsMachines: boolean;
  readonly seconds: number;
}

export function testFiles(): string[] {
  return globSync("test/**/*.test.{ts,tsx}", { cwd: root }).sort();
}

/** The longest first, so that none of them is running alone at the end. */
export function inOrder(files: readonly string[]): Work[] {
  const before = recordedSeconds();
  return files
    .map((file) => {
      const boots = bootsMachines(file);
      return { file, bootsMachines: boots, seconds: before[file] ?? long[file] ?? (boots ? 20 : 1) };
    })
    .sort((one, other) => other.seconds - one.seconds);
}

/** Whether `file` is run by `--quick`: no machines, nothing long. */
export function isQuick(file: string): boolean {
  return !bootsMachines(file) && (long[file] ?? 0) < QUICK_SECONDS;
}

/**
 * The file to start next, or undefined to wait for another one to end. Machines need memory and CPU time: while others
 * are left, at least one place is kept for a file that boots none.
 */
export function nextOf(waiting: readonly Work[], running: readonly Work[], width: number): Work | undefined {
  const machinesBusy = running.filter((work) => work.bootsMachines).length >= Math.max(1, width - 1);
  const others = waiting.find((work) => !work.bootsMachines);
  return machinesBusy && others !== undefined ? others : waiting[0];
}

/** Remembers how long the files took that passed. */
export function recordSeconds(results: readonly FileResult[]): void {
  const passed = results.filter(({ failures, passed }) => passed > 0 && failures.length === 0);
  const news = passed.map(({ file, milliseconds }) => [file, Math.round(milliseconds / 100) / 10]);
  const temporary = `${recorded}.${process.pid}`;
  try {
    mkdirSync(path.dirname(recorded), { recursive: true, mode: 0o700 });
    writeFileSync(temporary, JSON.stringify({ ...recordedSeconds(), ...Object.fromEntries(news) }, null, 1));
    renameSync(temporary, recorded);
  } catch {
    // The order of the next run is not as good.
  }
}

function recordedSeconds(): Record<string, number> {
  try {
    return JSON.parse(readFileSync(recorded, "utf8"));
  } catch {
    return {};
  }
}

function bootsMachines(file: string): boolean {
  return /needsMachines|support\/machines/.test(readFileSync(path.join(root, file), "utf8"));
}
