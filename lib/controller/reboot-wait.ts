import { setTimeout as pause } from "node:timers/promises";
import { resultOf } from "../connection/command-result";
import { ConnectionFailed } from "../model/errors";
import type { Hop } from "../model/hop";
import { agentIndex } from "../model/hop-chain";
import type { HostFacts } from "../model/host-facts";
import { lease, type leaseContext } from "./leases";
import { session } from "./session";

/** A machine with much memory tests it for minutes before it boots. */
const PATIENCE_MS = 15 * 60_000;
/** A machine that goes down may leave a connection open, and say nothing any more. */
const ATTEMPT_MS = 30_000;
const INTERVAL_MS = 1000;

/**
 * Resolves when `host`, which reboots, is back: when `hops` lead to a machine that has another boot ID than `boot`. The connection
 * stays open for the next deployment. Throws `ConnectionFailed` when it is not back within 15 minutes.
 */
export async function returned(
  host: HostFacts,
  hops: readonly Hop[],
  boot: string,
  options: Parameters<typeof leaseContext>[1] = {},
): Promise<void> {
  const at = agentIndex(hops);
  const shell = at < 0 ? hops : hops.slice(0, at);
  const since = performance.now();
  void session.connections.end(hops, host.name);
  for (;;) {
    const seen = await bootOf(host, shell, options);
    if (typeof seen === "string" && seen !== boot) return;
    void session.connections.end(shell, host.name);
    options.signal?.throwIfAborted();
    if (performance.now() - since > PATIENCE_MS)
      throw new ConnectionFailed(
        host.name,
        `it was to reboot, and ${typeof seen === "string" ? "has not done so" : `cannot be reached: ${seen.message}`}; ${PATIENCE_MS / 60_000} minutes were waited for it. Look at its console`,
      );
    await pause(INTERVAL_MS, undefined, options.signal ? { signal: options.signal } : {}).catch(() => {});
  }
}

/** The boot ID of the machine that `hops` lead to, or why it is not known. */
async function bootOf(
  host: HostFacts,
  hops: readonly Hop[],
  options: Parameters<typeof leaseContext>[1] = {},
): Promise<string | Error> {
  const late = AbortSignal.timeout(ATTEMPT_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, late]) : late;
  const aborted = new Promise<never>((_resolve, reject) =>
    signal.addEventListener("abort", () => reject(new Error("it does not answer")), { once: true }),
  );
  aborted.catch(() => {});
  try {
    const { connection, release } = await lease(host, hops, { ...options, signal, progress: () => {} });
    try {
      const asked = resultOf(connection, "cat /proc/sys/kernel/random/boot_id");
      const { exit, stdout } = await Promise.race([asked, aborted]);
      return exit === 0 ? stdout.trim() : new Error("it has no boot ID");
    } finally {
      release();
    }
  } catch (error) {
    return error as Error;
  }
}
