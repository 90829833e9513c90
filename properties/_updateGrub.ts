/** The programs that change what a host boots. */
import { FailedChange, type PosixTarget } from "consfigurator";
import { isContained } from "./container";

/** What os-prober finds on the machine that builds a system does not belong into the menu of that. */
const WITHOUT_OTHERS = `p=/etc/grub.d/30_os-prober
if [ -x "$p" ]; then chmod a-x "$p"; trap 'chmod a+x "$p"' EXIT; fi
update-grub`;

/** Runs `command`, without which the host may not boot. */
export async function runForBoot(target: PosixTarget, command: string | readonly string[]): Promise<void> {
  const { exit, stdout, stderr } = await target.run(command, {
    mayFail: true,
    excerpt: true,
    // They write below these, and into places of the disk outside of files.
    touches: { paths: ["/boot", "/etc/grub.d"] },
    predict: (model) => {
      model.mayFail();
      return undefined;
    },
  });
  if (exit === 0) return;
  const said = `${stderr}${stdout}`.trim() || `exit code ${exit}`;
  const [shown] = [command].flat();
  throw new FailedChange(`${shown?.split("\n").at(-1)} failed, so the host may not boot: ${said}`);
}

/** The menu of GRUB is made anew. */
export const updateGrub = (target: PosixTarget): Promise<void> =>
  runForBoot(target, isContained(target.host, "efiNvram") ? "update-grub" : WITHOUT_OTHERS);

/** The initramfs of the newest kernel is made anew. */
export const updateInitramfs = (target: PosixTarget): Promise<void> =>
  runForBoot(target, ["update-initramfs", "-u"]);
