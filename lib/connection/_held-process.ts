import type { Connection } from "../model/connection";
import { ConnectionFailed } from "../model/errors";

/**
 * A process that keeps namespaces or mounts for the commands of a hop. It exits at the end of its input: with the hop or the
 * link.
 */
export interface HeldProcess {
  /** Its number on the machine before the hop. */
  readonly pid: number;
  /** Resolves when it has ended, and what it kept is gone. */
  release(): Promise<void>;
}

/**
 * Starts `command`, which prints "ready PID" and stays until the end of its input. Throws `ConnectionFailed` with what it
 * printed, or else with `otherwise`, when it ends before that, as it does when `signal` aborts.
 */
export async function holdProcess(
  parent: Connection,
  command: string,
  {
    hop,
    otherwise,
    signal,
  }: { readonly hop: string; readonly otherwise: string; readonly signal?: AbortSignal },
): Promise<HeldProcess> {
  const channel = await parent.exec(command, { lasting: true });
  let errors = "";
  channel.stderr.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-MOST_SHOWN);
  });
  const ended = channel.exit.then(
    () => {},
    () => {},
  );
  const release = () => {
    channel.stdin.end();
    return ended;
  };
  const pid = await releasing(
    release,
    signal,
    () =>
      new Promise<number>((settled, failed) => {
        let output = "";
        channel.stdout.on("data", (chunk: Buffer) => {
          output = (output + chunk.toString()).slice(-MOST_SHOWN);
          const ready = /ready (\d+)\n/.exec(output);
          if (ready) settled(Number(ready[1]));
        });
        void ended.then(() => failed(new ConnectionFailed(hop, errors.trim() || otherwise)));
      }),
  );
  return { pid, release };
}

/** The result of `work`. When `signal` aborts before that, `release` is called, by which `work` fails. */
export async function releasing<T>(
  release: () => Promise<void>,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const abort = () => void release();
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort);
  try {
    return await work();
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

/** Characters. */
const MOST_SHOWN = 4000;
