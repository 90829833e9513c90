import vm from "node:vm";
import type { Statement } from "./_language";
import type { Scope } from "./scope";

/** Interrupted from the keyboard. Asynchronous work may continue. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  constructor() {
    super("interrupted");
    this.stack = "Interrupted";
  }
}

export interface RunOptions {
  /** Aborts waiting. */
  readonly signal?: AbortSignal;
  /** Called and awaited after each statement. */
  readonly afterEach?: (statement: Statement, value: unknown) => Promise<void>;
  /** Runs a function with Ctrl-C sending SIGINT. */
  readonly withSigint?: <T>(act: () => T) => T;
}

/** Runs `statements` one after the other, and returns the value of the last. */
export async function runStatements(
  statements: readonly Statement[],
  scope: Scope,
  { signal, afterEach, withSigint }: RunOptions = {},
): Promise<unknown> {
  let value: unknown;
  for (const statement of statements) {
    value = await interruptible(
      scope.declare(statement.names, statement.constant, () =>
        callWithSigint(() => statement.run(), withSigint),
      ),
      signal,
    );
    await afterEach?.(statement, value);
  }
  return value;
}

/** On SIGINT, Node's vm can end a loop that never yields, but only inside a script that it runs. */
function callWithSigint<T>(call: () => Promise<T>, withSigint: RunOptions["withSigint"]): Promise<T> {
  const key = Symbol.for("consfigurator.call");
  const holder = globalThis as unknown as Record<symbol, unknown>;
  holder[key] = call;
  try {
    if (!withSigint) return call();
    return withSigint(() => CALLER.runInThisContext({ breakOnSigint: true })) as Promise<T>;
  } catch (error) {
    throw (error as { code?: unknown }).code === "ERR_SCRIPT_EXECUTION_INTERRUPTED"
      ? new Interrupted()
      : error;
  } finally {
    delete holder[key];
  }
}
const CALLER = new vm.Script('globalThis[Symbol.for("consfigurator.call")]()', {
  filename: "node:consfigurator",
});

/** Settles as `promise`, or rejects with `Interrupted` once `signal` aborts. */
export function interruptible<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const stop = () => reject(new Interrupted());
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
