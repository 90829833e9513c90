import { writeFileSync } from "node:fs";
import { launch, type Tables } from "./_launch";

/** The file that a trial is started from, with the draft of an executable, and the file that gets its outcome. */
export const TRIAL = __filename;

/** What loading the module of an executable came to, in a process in which nothing else has happened. */
export interface Outcome {
  /** Base64: what V8 has compiled. */
  readonly cache?: string;
  /** Why it cannot be used, with a stack where there is one. */
  readonly refused?: { readonly message: string; readonly stack?: string };
}

if (require.main === module) {
  const [, , draft = "", answer = "", shown = ""] = process.argv;
  const outcome = attempt(draft, JSON.parse(shown) as Shown);
  writeFileSync(answer, JSON.stringify(outcome));
  // Whatever the module has begun ends with us.
  process.exit(0);
}

interface Shown extends Pick<Tables, "call"> {
  readonly module: string;
}

function attempt(draft: string, { module: name, call }: Shown): Outcome {
  try {
    const executable = launch(draft, require);
    const exported = executable.load();
    const found = exported[call];
    if (typeof found === "function") return { cache: executable.cache().toString("base64") };
    return { refused: { message: missing(name, call, exported) } };
  } catch (error) {
    if (!(error instanceof Error)) return { refused: { message: `${name} throws ${String(error)}` } };
    return {
      refused: {
        message: `${name} cannot be loaded: ${error.name}: ${error.message}`,
        ...(error.stack !== undefined && { stack: error.stack }),
      },
    };
  }
}

function missing(name: string, call: string, exported: Record<string, unknown>): string {
  const functions = Object.keys(exported)
    .filter((key) => typeof exported[key] === "function")
    .sort();
  const has = functions.length > 0 ? `it exports ${functions.join(", ")}` : "it exports no function";
  return call in exported
    ? `${call} of ${name} is ${typeof exported[call]}, and must be a function; ${has}`
    : `${name} has no export ${call}; ${has}`;
}
