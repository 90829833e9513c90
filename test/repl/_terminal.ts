import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { TestContext } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { command, consfigWith } from "./_consfig";

/** The tests need the script(1) of util-linux to get a terminal. */
export const needsTerminal = {
  skip:
    process.platform === "linux" && existsSync("/usr/bin/script") ? false : "needs script(1) of util-linux",
};

const TIMEOUT_MS = 30_000;

export interface PromptOptions {
  readonly environment?: NodeJS.ProcessEnv;
  /** Extra arguments of the command, as shell text. */
  readonly args?: string;
  readonly columns?: number;
}

/** Opens the prompt at its own terminal, to type and to read the screen. */
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
      assert.ok(Date.now() < end, `${pattern} did not appear; the screen shows:\n${text()}`);
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
