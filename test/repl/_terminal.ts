import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { TestContext } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { command, consfigWith } from "./_consfig";

/** Only util-linux's script(1) gives a terminal in the way it is used here. */
export const needsTerminal = {
  skip:
    process.platform === "linux" && existsSync("/usr/bin/script") ? false : "needs script(1) of util-linux",
};

const TIMEOUT_MS = 30_000;

export interface PromptOptions {
  readonly environment?: NodeJS.ProcessEnv;
  /** Further arguments of the command, as shell text. */
  readonly args?: string;
  readonly columns?: number;
}

/** The prompt at a terminal of its own: what is typed, and what is seen. */
export async function prompt(
  t: TestContext,
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
  const until = async (pattern: RegExp): Promise<string> => {
    const end = Date.now() + TIMEOUT_MS;
    while (!pattern.test(text())) {
      assert.ok(Date.now() < end, `${pattern} did not come; there was:\n${text()}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return text();
  };
  const keys = (typed: string) => {
    from = seen.length;
    child.stdin.write(typed);
  };
  const type = async (typed: string, pattern: RegExp): Promise<string> => {
    keys(`${typed}\r`);
    return until(pattern);
  };
  const opened = await until(/consfig> $/);
  return { root, env, keys, type, until, closed, child, opened };
}
