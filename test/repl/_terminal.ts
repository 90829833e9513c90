import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { TestContext } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { until as waitFor } from "../support/until";
import { command, consfigWith } from "./_consfig";

/** The tests need the script(1) of util-linux to get a terminal. */
export const needsTerminal = {
  skip:
    process.platform === "linux" && existsSync("/usr/bin/script") ? false : "needs script(1) of util-linux",
};

export interface PromptOptions {
  readonly environment?: NodeJS.ProcessEnv;
  /** Extra arguments of the command, as shell text. */
  readonly args?: string;
  readonly columns?: number;
}

/** Opens the prompt at its own terminal, to type and to read the screen. */
export async function prompt(
  t: Pick<TestContext, "after">,
  files: Record<string, string> = {},
  { environment = {}, args = "", columns = 120 }: PromptOptions = {},
) {
  const { root, env } = consfigWith(t, files);
  const line = `stty cols ${columns} rows 40; exec ${process.execPath} ${command} --consfig ${root} ${args}`;
  const child = spawn("script", ["-qfec", line, "/dev/null"], {
    env: { ...env, TERM: "xterm", ...environment },
    cwd: root,
    stdio: "pipe",
  });
  t.after(() => child.kill("SIGKILL"));
  let seen = "";
  let from = 0;
  child.stdout.on("data", (chunk: Buffer) => (seen += chunk.toString()));
  const closed = new Promise<number | null>((resolve) => child.on("close", resolve));
  const text = () => stripVTControlCharacters(seen.slice(from)).replaceAll("\r", "");
  const until = (pattern: RegExp, seconds = 30): Promise<string> =>
    waitFor(`${pattern} on the screen`, () => pattern.test(text()) && text(), { seconds, saw: text });
  const keys = (typed: string) => {
    from = seen.length;
    child.stdin.write(typed);
  };
  const type = async (typed: string, pattern: RegExp): Promise<string> => {
    keys(`${typed}\r`);
    return until(pattern);
  };
  const opened = await until(/consfig> $/, 55);
  return { root, env, keys, type, until, closed, child, opened };
}
