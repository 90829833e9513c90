import type { Readable } from "node:stream";
import { isAgentConnection } from "../agent/client/connection";
import { HopStack } from "../connection/hop-stack";
import { FailedChange } from "../model/errors";
import type { Hop } from "../model/hop";
import { agentIndex } from "../model/hop-chain";
import { HostModel } from "../model/host-facts";
import { lease, leaseContext } from "./leases";
import { session } from "./session";

/** What a command on a host prints, as it comes. */
export interface HostStream {
  readonly output: Readable;
  /** Resolves when the command has ended. Rejects with `FailedChange` and what it complained of, or with `ConnectionFailed`. */
  readonly ended: Promise<void>;
  /** Ends the command, and the hops that were opened for it. */
  close(): Promise<void>;
}

/** Characters of complaints that are kept. */
const MOST_COMPLAINTS = 4000;

/**
 * Starts the simple command `command`, which must only ask, on `host` behind all hops of `chain`. No agent is started for it. The command ends
 * with its input: with `close`, with the link, and with this process, however that ends. Throws `ConnectionFailed`.
 */
export async function streamOf(
  host: string,
  chain: readonly Hop[],
  command: string,
  signal: AbortSignal,
): Promise<HostStream> {
  const at = agentIndex(chain);
  const usesAgent = at >= 0 && session.connections.isOpen(chain.slice(0, at + 1), host);
  const before = at < 0 ? chain : chain.slice(0, usesAgent ? at + 1 : at);
  const model = HostModel.named(host);
  const leased = await lease(model, before, { signal });
  const { connection } = leased;
  const further = new HopStack(isAgentConnection(connection) ? connection.parent : connection);
  const release = async () => {
    await further.close();
    leased.release();
  };
  try {
    if (at >= 0) await further.openAll(chain.slice(at + 1), leaseContext(model, { signal }));
    const channel = await further.top.exec(endingWithInput(command));
    let complaints = "";
    channel.stderr.on("data", (chunk: Buffer) => {
      complaints = (complaints + chunk.toString()).slice(-MOST_COMPLAINTS);
    });
    channel.stdin.on("error", () => {});
    const ended = channel.exit.then((exit) => {
      if (exit !== 0) throw new FailedChange(complaints.trim() || `it ended with exit code ${exit}`);
    });
    ended.catch(() => {});
    const close = async () => {
      channel.stdin.end();
      channel.stdout.resume();
      await ended.catch(() => {});
      await release();
    };
    return { output: channel.stdout, ended, close };
  } catch (error) {
    await release();
    throw error;
  }
}

/** `command`, a simple one, as shell text that ends it when the input ends. A command that ends by itself gives the exit code. */
const endingWithInput = (command: string): string => `exec 3<&0 </dev/null
{ exec ${command}
} 3<&- & command=$!
{ cat <&3 >/dev/null; kill $command; } 2>/dev/null >&2 & input=$!
exec 3<&-
wait $command; code=$?
kill $input 2>/dev/null
[ $code = 143 ] || exit $code`;
