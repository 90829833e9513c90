import { StringDecoder } from "node:string_decoder";
import type { Channel, Connection } from "../../model/connection";
import { EXCERPT, OutputBuffer } from "../../util/excerpt";
import { abortedWith, type RawResult } from "../command";
import type { Execution } from "../context";

/** How long a cancelled command may take to end before it is killed. */
const TERM_GRACE_MS = 2000;
/** How long the end of a killed command is waited for. */
const KILL_GRACE_MS = 2000;

/** Runs `script` over `connection` and collects its output. Throws `ConnectionFailed` when the link fails, `Cancelled` when \`signal\` is aborted. */
export async function execOver(
  connection: Connection,
  script: string,
  how: Pick<Execution, "input" | "output" | "shown" | "excerpt" | "looks">,
  signal: AbortSignal,
): Promise<RawResult> {
  if (signal.aborted) throw abortedWith(signal, `cancelled: \`${how.shown}\` was not started`);
  const looks = how.looks && connection.look;
  const channel = await (looks ? looks(script) : connection.exec(script));
  const stdout = collect(channel, "stdout", how);
  const stderr = collect(channel, "stderr", how);
  // A command that ends without reading its input must not end us.
  channel.stdin.on("error", () => {});
  channel.stdin.end(how.input ?? "");
  const cancelled = whenCancelled(channel, signal, how.shown);
  try {
    const exit = await Promise.race([channel.exit, cancelled.promise]);
    if (signal.aborted) throw abortedWith(signal, `cancelled: \`${how.shown}\` was ended`);
    return { exit, stdout: stdout.bytes(), stderr: stderr.bytes() };
  } finally {
    cancelled.forget();
  }
}

function collect(
  channel: Channel,
  stream: "stdout" | "stderr",
  { output, excerpt }: Pick<Execution, "output" | "excerpt">,
): OutputBuffer {
  const printed = new OutputBuffer(excerpt ? EXCERPT : undefined);
  const decoder = new StringDecoder("utf8");
  channel[stream].on("data", (data: Buffer | string) => {
    const chunk = Buffer.from(data);
    printed.add(chunk);
    const text = output ? decoder.write(chunk) : "";
    if (text !== "") output?.(stream, text);
  });
  return printed;
}

/** Ends the command when `signal` is aborted; rejects when it does not end. */
function whenCancelled(
  channel: Channel,
  signal: AbortSignal,
  shown: string,
): { promise: Promise<never>; forget(): void } {
  let patience: NodeJS.Timeout | undefined;
  let forget = () => {};
  const promise = new Promise<never>((_, reject) => {
    const cancel = () => {
      channel.kill("SIGTERM");
      patience = setTimeout(() => {
        channel.kill("SIGKILL");
        patience = setTimeout(() => {
          const seconds = (TERM_GRACE_MS + KILL_GRACE_MS) / 1000;
          reject(
            abortedWith(
              signal,
              `cancelled: \`${shown}\` was sent SIGTERM and SIGKILL, but its end was not seen within ${seconds} s: it may still run`,
            ),
          );
        }, KILL_GRACE_MS);
      }, TERM_GRACE_MS);
    };
    // It may have been aborted while the channel was opened.
    if (signal.aborted) cancel();
    else signal.addEventListener("abort", cancel, { once: true });
    forget = () => {
      clearTimeout(patience);
      signal.removeEventListener("abort", cancel);
      channel.exit.catch(() => {});
    };
  });
  return { promise, forget };
}
