import { writeFileSync } from "node:fs";
import { launch, type Tables } from "./_launch";

/** The script of a trial. Arguments: the draft of an executable, the file for the outcome, and the call. */
export const TRIAL = __filename;

/** The outcome of loading the module of an executable in a fresh process. */
export interface Outcome {
  /** The V8 code cache, in base64. */
  readonly cache?: string;
  /** Why it cannot be used; the stack if there is one. */
  readonly refused?: { readonly message: string; readonly stack?: string };
}

if (require.main === module) {
  const [, , draft = "", outcomeFile = "", call = ""] = process.argv;
  const trialCall = JSON.parse(call) as TrialCall;
  const end = (outcome: Outcome) => {
    writeFileSync(outcomeFile, JSON.stringify(outcome));
    // Also ends timers and servers that the module has started.
    process.exit(0);
  };
  // Nothing is left that could go on.
  process.once("beforeExit", () =>
    end({
      refused: { message: `${trialCall.module} does not finish loading: a top-level await never ends` },
    }),
  );
  void attempt(draft, trialCall).then(end);
}

interface TrialCall extends Pick<Tables, "call"> {
  readonly module: string;
}

async function attempt(draft: string, { module: name, call }: TrialCall): Promise<Outcome> {
  try {
    const executable = launch(draft, require);
    const exported = await executable.load();
    const found = exported[call];
    if (typeof found === "function") return { cache: executable.cache().toString("base64") };
    return { refused: { message: notAFunction(name, call, exported) } };
  } catch (error) {
    if (!(error instanceof Error)) return { refused: { message: `${name} threw ${String(error)}` } };
    return {
      refused: {
        message: `cannot load ${name}: ${error.name}: ${error.message}`,
        ...(error.stack !== undefined && { stack: error.stack }),
      },
    };
  }
}

function notAFunction(name: string, call: string, exported: Record<string, unknown>): string {
  const functions = Object.keys(exported)
    .filter((key) => typeof exported[key] === "function")
    .sort();
  const has = functions.length > 0 ? `it exports ${functions.join(", ")}` : "it exports no functions";
  return call in exported
    ? `${call} of ${name} must be a function, got ${typeof exported[call]}; ${has}`
    : `${name} has no export ${call}; ${has}`;
}
