import vm from "node:vm";
import type { Statement } from "./_language";
import type { Scope } from "./scope";

/** Running was broken off from the keyboard. What had been begun may go on. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  constructor() {
    super("interrupted");
    this.stack = "Interrupted";
  }
}

/** Runs `statements` in order, each to its end, and gives the value of the last. `signal` breaks off the waiting. */
export async function runStatements(
  statements: readonly Statement[],
  scope: Scope,
  {
    signal,
    each,
  }: { signal?: AbortSignal; each?: (statement: Statement, value: unknown) => Promise<void> } = {},
): Promise<unknown> {
  let value: unknown;
  for (const statement of statements) {
    value = await orInterrupted(
      scope.declare(statement.names, statement.constant, () => breakable(() => statement.run())),
      signal,
    );
    await each?.(statement, value);
  }
  return value;
}

/** Node's vm can end a loop that never gives way, from the signal that Ctrl-C sends; only inside a script it runs. */
function breakable<T>(call: () => Promise<T>): Promise<T> {
  const key = Symbol.for("consfigurator.breakable");
  const holder = globalThis as unknown as Record<symbol, unknown>;
  holder[key] = call;
  try {
    return CALLER.runInThisContext({ breakOnSigint: process.stdin.isTTY === true }) as Promise<T>;
  } catch (error) {
    throw (error as { code?: unknown }).code === "ERR_SCRIPT_EXECUTION_INTERRUPTED"
      ? new Interrupted()
      : error;
  } finally {
    delete holder[key];
  }
}
const CALLER = new vm.Script('globalThis[Symbol.for("consfigurator.breakable")]()', {
  filename: "node:consfigurator",
});

function orInterrupted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const stop = () => reject(new Interrupted());
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
