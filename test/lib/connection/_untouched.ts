import assert from "node:assert/strict";
import { changedPaths, ownCaches, snapshot } from "../../support/snapshot";
import { until } from "../../support/until";
import type { Rig } from "../agent/_rig";

/** Processes of sessions, those that are ending or have ended, which have no arguments any more, and those of the kernel. */
const PASSING =
  "ps -eo\\|sshd\\|nsenter\\|sort\\|grep\\|sleep\\|sh -c\\|systemd --user\\|(sd-pam)\\|^\\[[^]]*\\]\\( <defunct>\\)\\?$\\|consfigurator";

/** Of the machine: processes, mounts, accounts, settings of the kernel, listening sockets, clones. */
const state = (on: Rig): Promise<string> =>
  on.machine.run(
    `ps -eo args= | grep -v '${PASSING}' | sort; grep -v /run/user/ /proc/mounts; cut -d: -f1 /etc/passwd
     hostname; sysctl -a 2>/dev/null | grep '^net.ipv4.ip_forward\\|^vm.swappiness\\|^kernel.hostname'
     ss -Hltn | sort; ls /run/consfigurator /sys/fs/cgroup 2>/dev/null | grep clone || true`,
  );

/** The clones on the machine. */
export const clonesOn = async (on: Rig): Promise<string[]> => [
  ...((await on.machine.run("ls /run/consfigurator 2>/dev/null || true")).match(/clone\.\d+/g) ?? []),
];

/** Looks at the machine, and returns what asserts that nothing of it has changed since. */
export async function untouched(on: Rig): Promise<() => Promise<void>> {
  const options = { except: [...ownCaches] };
  const earlier = { files: await snapshot(on.machine, options), state: await state(on) };
  return async () => {
    await until("the end of the clones", async () => (await clonesOn(on)).length === 0);
    assert.deepEqual(changedPaths(earlier.files, await snapshot(on.machine, options)), []);
    assert.equal(await state(on), earlier.state);
  };
}
