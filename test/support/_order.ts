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
  "test/properties/_diskImageBoots.test.ts": 160,
  "test/properties/firewalld.test.ts": 100,
  "test/properties/_cleanInstall.test.ts": 100,
  "test/lib/data/canaries.test.ts": 100,
  "test/lib/connection/conformance.test.ts": 100,
  "test/properties/sbuild.test.ts": 70,
  "test/properties/_daemon.test.ts": 70,
  "test/hosts/states.test.ts": 70,
  "test/properties/chroot.test.ts": 70,
  "test/lib/engine/ahead.test.ts": 70,
  "test/docs/played.test.ts": 70,
  "test/hosts/plans.test.ts": 60,
  "test/properties/apt.test.ts": 60,
  "test/properties/questions.test.ts": 60,
  "test/lib/controller/rehearsal-run.test.ts": 60,
  "test/lib/target/planning/as-the-host.test.ts": 60,
  "test/repl/playbook.test.ts": 60,
  "test/lib/connection/sudo.test.ts": 60,
  "test/properties/apache.test.ts": 60,
  "test/repl/prompt.test.ts": 50,
  "test/properties/ufw.test.ts": 50,
  "test/properties/daemon.test.ts": 50,
  "test/hosts/playbooks.test.ts": 50,
  "test/start.test.ts": 40,
  "test/lib/agent/host/supervisor.test.ts": 40,
  "test/lib/agent/client/child.test.ts": 40,
  "test/lib/data/large.test.ts": 60,
  "test/lib/agent/client/link.test.ts": 39,
  "test/lib/controller/agents.test.ts": 38,
  "test/properties/timesyncd.test.ts": 37,
  "test/properties/nftables.test.ts": 37,
  "test/lib/engine/host-lock.test.ts": 35,
  "test/lib/agent/faults.test.ts": 34,
  "test/properties/file.test.ts": 33,
  "test/lib/connection/hop-plans.test.ts": 32,
  "test/repl/_typed-functions.test.ts": 25,
  "test/lib/explore/followFiles.test.ts": 22,
  "test/properties/_unitState.test.ts": 32,
  "test/lib/agent/client/_upload.test.ts": 31,
  "test/lib/controller/soak.test.ts": 31,
  "test/repl/check.test.ts": 30,
  "test/lib/engine/take-over.test.ts": 29,
  "test/lib/explore/drift.test.ts": 29,
  "test/lib/agent/client/bootstrap.test.ts": 28,
  "test/lib/controller/cancellations.test.ts": 27,
  "test/properties/postfix.test.ts": 25,
  "test/repl/diagnostics.test.ts": 25,
  "test/properties/systemd.test.ts": 25,
  "test/support/_test-file.test.ts": 25,
  "test/properties/postgres.test.ts": 24,
  "test/lib/tables/containers.test.ts": 23,
  "test/repl/choices.test.ts": 23,
  "test/lib/executable/imageDumped.test.ts": 23,
  "test/lib/target/command-output.test.ts": 22,
  "test/lib/controller/bound-plan.test.ts": 22,
  "test/repl/rehearse.test.ts": 21,
  "test/lib/connection/ssh/network.test.ts": 21,
  "test/properties/planned.test.ts": 21,
  "test/lib/target/racing-user.test.ts": 20,
  "test/lib/executable/_kept-data.test.ts": 25,
  "test/lib/executable/reapply.test.ts": 20,
  "test/hosts/guests.test.ts": 19,
  "test/lib/connection/_running-commands.test.ts": 19,
  "test/lib/connection/clone.test.ts": 19,
  "test/properties/network.test.ts": 19,
  "test/lib/worker/child-worker.test.ts": 18,
  "test/properties/nginx.test.ts": 18,
  "test/lib/engine/plan-behind.test.ts": 18,
  "test/lib/agent/client/reconnect.test.ts": 18,
  "test/lib/connection/ssh.test.ts": 17,
  "test/properties/unapplying.test.ts": 17,
  "test/properties/sshKeys.test.ts": 17,
  "test/docs/_reference.test.ts": 17,
  "test/lib/connection/ssh/auth.test.ts": 17,
  "test/properties/gnupg.test.ts": 17,
  "test/properties/locale.test.ts": 16,
  "test/properties/letsEncrypt.test.ts": 16,
  "test/properties/_diskImage.test.ts": 16,
  "test/lib/agent/host/relay.test.ts": 16,
  "test/properties/osDeclared.test.ts": 16,
  "test/repl/interrupter.test.ts": 15,
  "test/properties/_fileData.test.ts": 15,
  "test/properties/aptRepositories.test.ts": 15,
  "test/repl/plan.test.ts": 15,
  "test/lib/connection/ssh/_commandStart.test.ts": 15,
  "test/lib/service.test.ts": 15,
  "test/lib/agent/host/tenure.test.ts": 14,
  "test/properties/git.test.ts": 14,
  "test/lib/agent/fuzz.test.ts": 13,
  "test/lib/agent/client/trees.test.ts": 13,
  "test/properties/fail2ban.test.ts": 13,
  "test/properties/periodic.test.ts": 13,
  "test/lib/connection/ssh/machines.test.ts": 12,
  "test/support/_runner.test.ts": 12,
  "test/lib/target/base.test.ts": 12,
  "test/lib/explore/on.test.ts": 12,
  "test/properties/certificate.test.ts": 12,
  "test/lib/source/register.test.ts": 12,
  "test/properties/aptUnattended.test.ts": 12,
  "test/repl/look/look.test.ts": 12,
  "test/lib/executable/features.test.ts": 11,
  "test/lib/controller/clones.test.ts": 11,
  "test/lib/source/memory.test.ts": 11,
  "test/properties/user.test.ts": 11,
  "test/properties/ssh.test.ts": 11,
  "test/lib/explore/since.test.ts": 10,
  "test/properties/_validate.test.ts": 10,
  "test/properties/chrony.test.ts": 10,
  "test/properties/cron.test.ts": 10,
  "test/properties/_systemdUnits.test.ts": 10,
  "test/docs.test.ts": 9,
  "test/properties/_withoutServices.test.ts": 9,
  "test/properties/swap.test.ts": 9,
  "test/properties/sshd.test.ts": 9,
  "test/lib/combinators/time.test.ts": 9,
  "test/support/machines.test.ts": 9,
  "test/lib/connection/ssh/hostkeys.test.ts": 8,
  "test/properties/fileDownloaded.test.ts": 8,
  "test/properties/logrotate.test.ts": 8,
  "test/properties/_gitSnapshot.test.ts": 8,
  "test/properties/fileTree.test.ts": 8,
  "test/properties/fstab.test.ts": 8,
  "test/lib/worker/job.test.ts": 8,
  "test/properties/mount.test.ts": 8,
  "test/lib/combinators/crash.test.ts": 7,
  "test/lib/source/init.test.ts": 7,
  "test/lib/target/shell/answers.test.ts": 7,
  "test/properties/pkgng.test.ts": 7,
  "test/lib/source/check.test.ts": 7,
  "test/lib/engine/origins.test.ts": 7,
  "test/lib/target/trace.test.ts": 7,
  "test/lib/tables/reboots.test.ts": 7,
  "test/repl/_install.test.ts": 6,
  "test/lib/target/planning/target.test.ts": 6,
  "test/properties/hostname.test.ts": 6,
  "test/lib/controller/bound-again.test.ts": 6,
  "test/properties/rcConf.test.ts": 6,
  "test/lib/source/_manifest.test.ts": 6,
  "test/lib/engine/unsettled.test.ts": 6,
  "test/properties/kernelModule.test.ts": 6,
  "test/lib/connection/sandbox.test.ts": 5,
  "test/properties/fileWrites.test.ts": 5,
  "test/properties/journald.test.ts": 5,
  "test/properties/packages.test.ts": 5,
  "test/properties/sudo.test.ts": 5,
  "test/properties/limits.test.ts": 5,
  "test/properties/userPasswords.test.ts": 5,
  "test/lib/agent/lying.test.ts": 5,
  "test/lib/tables/busybox.test.ts": 10,
  "test/lib/explore/follow.test.ts": 8,
  "test/properties/ccache.test.ts": 5,
  "test/properties/timezone.test.ts": 4,
  "test/lib/model/_call.test.ts": 4,
  "test/properties/group.test.ts": 4,
  "test/properties/grub.test.ts": 4,
  "test/properties/schroot.test.ts": 4,
  "test/properties/cmd.test.ts": 4,
  "test/lib/explore/eval.test.ts": 4,
  "test/lib/target/shell/target.test.ts": 4,
  "test/properties/sysctl.test.ts": 4,
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
