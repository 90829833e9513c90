import type { Connection } from "../model/connection";
import { ConnectionFailed } from "../model/errors";
import { defhop } from "../model/hop";
import { object, optional, string } from "../model/schema";
import { shellQuote } from "../util/shell-quote";
import { AWAIT_SYSTEM, enterOutside, holdClone, NO_KERNEL } from "./_clone-script";
import { holdProcess, releasing } from "./_held-process";
import { enterProcess } from "./_process-namespaces";
import { resultOf } from "./command-result";
import { wrapped } from "./wrapped";

const HOP = "via.clone()";

/**
 * Runs in a copy-on-write clone of the machine before it, on that machine: its own files, processes, and services, which systemd
 * boots in the clone. What is changed there stays there, in memory, and is gone when the hop is closed or the link is lost.
 *
 * The network is a private one, with the services of the clone alone. Of the programs of root, apt-get, git, curl and wget
 * download over the network of the machine. Of the kernel, only settings of the network can be changed. Device files that are
 * made there do not work, so debootstrap refuses to run. Without systemd, or where it cannot be booted, no services are started.
 * Needs root, Linux and util-linux. Clones with different names are different clones.
 */
export const clone = defhop({
  name: "clone",
  args: object({ name: optional(string({ pattern: "^[a-z0-9-]{1,32}$", description: "a short name" })) }),
  ephemeral: true,
  open: async (_args, { parent, progress, signal }) => {
    await refuseUnfit(parent);
    const held = await holdProcess(parent, `exec /bin/sh -c ${shellQuote(holdClone)}`, {
      hop: HOP,
      otherwise: "the machine cannot be cloned",
      signal,
    });
    const release = () => held.release();
    try {
      return await releasing(release, signal, async () => {
        const connection = await enterProcess(parent, HOP, held.pid, { through: NO_KERNEL, close: release });
        const { stdout } = await resultOf(connection, AWAIT_SYSTEM);
        signal.throwIfAborted();
        const notice = noticeOf(stdout.trim().split("\n"));
        if (notice !== undefined) progress({ kind: "notice", text: `${HOP}: ${notice}` });
        outsides.set(connection, { parent, pid: held.pid });
        return connection;
      });
    } catch (error) {
      await held.release();
      throw error;
    }
  },
});

/** Of each clone that is open: how it is seen from outside. */
const outsides = new WeakMap<Connection, { readonly parent: Connection; readonly pid: number }>();

/**
 * A shell on the machine before the clone to which `connection` leads: the files of the machine are at their paths, and those
 * of the clone below $0/root. Undefined when it leads to no clone.
 */
export async function outsideOf(connection: Connection): Promise<Connection | undefined> {
  const clone = outsides.get(connection);
  return (
    clone &&
    wrapped(clone.parent, HOP, {
      command: (command) => enterOutside(clone.pid, command),
      shown: "nsenter --target … --mount -- /bin/sh -c …",
      otherFiles: true,
    })
  );
}

/** What the user should know of the state of the system in the clone, and the units that failed there. */
function noticeOf([state = "", ...failed]: readonly string[]): string | undefined {
  if (state === "") return "no systemd in the clone, so no services are started there";
  return failed.length > 0 ? `not started in the clone: ${failed.join(", ")}` : undefined;
}

const NEEDED = ["unshare", "nsenter", "setpriv", "pivot_root", "mount"];

async function refuseUnfit(parent: Connection): Promise<void> {
  const { stdout } = await resultOf(
    parent,
    `uname; id -u; for each in ${NEEDED.join(" ")}; do command -v "$each" >/dev/null || echo "$each"; done`,
  );
  const [system, uid, ...missing] = stdout.trim().split("\n");
  if (system !== "Linux") throw new ConnectionFailed(HOP, "needs Linux");
  if (uid !== "0") throw new ConnectionFailed(HOP, "needs root; add via.sudo() before it");
  if (missing.length > 0)
    throw new ConnectionFailed(HOP, `the machine has no ${missing.join(", ")}; install util-linux there`);
}
